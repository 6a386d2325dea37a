#include "crypto/aead_ipsecmb.h"

#include <intel-ipsec-mb.h>

#include <cstdlib>
#include <stdexcept>

namespace entresol::crypto {
namespace detail {

static_assert(sizeof(gcm_key_data) == kGcmKeyDataSize);
static_assert(sizeof(gcm_context_data) == kGcmContextSize);

constinit GcmRoutines gcm_routines{};

}  // namespace detail

namespace {

// Null if there is no memory, or if the library does not pass its self-test.
IMB_MGR* make_manager() noexcept {
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (manager == nullptr) return nullptr;
  IMB_ARCH chosen = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager, &chosen);
  if (chosen == IMB_ARCH_NONE || imb_get_errno(manager) != 0) {
    free_mb_mgr(manager);
    return nullptr;
  }
  return manager;
}

struct Started {
  aes_gcm_pre_t expand;
};

// The routines of the processor's best instruction set are the same for all managers, so one is
// made to ask, and freed.
const Started& started() {
  static const Started result = [] {
    IMB_MGR* manager = make_manager();
    if (manager == nullptr) throw std::runtime_error("intel-ipsec-mb does not start");
    detail::gcm_routines = {manager->gcm256_enc, manager->gcm256_dec};
    Started routines{manager->gcm256_pre};
    free_mb_mgr(manager);
    return routines;
  }();
  return result;
}

// One job slot, used again and again: the library has completed the job when submission returns, so
// the manager is empty between packets, and what never changes is written once. Without the reset
// of next_job it would walk through its 256 slots and take 70 KB of the cache with it.
class ChaChaJobs {
 public:
  ~ChaChaJobs();
  void start() noexcept;
  bool is_started() const noexcept { return manager_ != nullptr; }

  template <IMB_CIPHER_DIRECTION Direction>
  void run(const std::uint8_t* key, const std::uint8_t* nonce, base::ByteView aad,
           const std::uint8_t* in, std::size_t n, std::uint8_t* out, std::uint8_t* tag) noexcept {
    job_->cipher_direction = Direction;
    job_->chain_order =
        Direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job_->enc_keys = key;
    job_->dec_keys = key;
    job_->src = detail::moved(in, n, out);
    job_->dst = out;
    job_->msg_len_to_cipher_in_bytes = n;
    job_->msg_len_to_hash_in_bytes = n;
    job_->iv = nonce;
    job_->auth_tag_output = tag;
    job_->u.CHACHA20_POLY1305.aad = aad.data();
    job_->u.CHACHA20_POLY1305.aad_len_in_bytes = aad.size();
    const IMB_JOB* done = IMB_SUBMIT_JOB_NOCHECK(manager_);
    if (done != job_ || done->status != IMB_STATUS_COMPLETED) [[unlikely]]
      std::abort();
    manager_->next_job = first_;
  }

  void open_in_one_pass(const std::uint8_t* key, const std::uint8_t* nonce, base::ByteView aad,
                        const std::uint8_t* in, std::size_t n, std::uint8_t* out,
                        std::uint8_t* tag) noexcept {
    chacha20_poly1305_context_data context;
    IMB_CHACHA20_POLY1305_INIT(manager_, key, &context, nonce, aad.data(), aad.size());
    IMB_CHACHA20_POLY1305_DEC_UPDATE(manager_, key, &context, out, detail::moved(in, n, out), n);
    IMB_CHACHA20_POLY1305_DEC_FINALIZE(manager_, &context, tag, kAeadTagSize);
    wipe(&context, sizeof context);
  }

 private:
  IMB_MGR* manager_ = nullptr;
  IMB_JOB* job_ = nullptr;
  int first_ = 0;
};

// A job to open is as fast as one to seal up to here, then takes up to twice the time; the calls
// that need 150 ns more for a small packet do not.
constexpr std::size_t kOpenInOnePass = 2048;

// Constant initialisation and no destructor: reached without a guard.
constinit thread_local ChaChaJobs* chacha_jobs = nullptr;

void ChaChaJobs::start() noexcept {
  manager_ = make_manager();
  if (manager_ == nullptr) {
    std::abort();
  }
  first_ = manager_->next_job;
  job_ = IMB_GET_NEXT_JOB(manager_);
  *job_ = IMB_JOB{};
  job_->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
  job_->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
  job_->key_len_in_bytes = kAeadKeySize;
  job_->iv_len_in_bytes = kAeadNonceSize;
  job_->auth_tag_output_len_in_bytes = kAeadTagSize;
  chacha_jobs = this;
}

ChaChaJobs::~ChaChaJobs() {
  chacha_jobs = nullptr;
  if (manager_ != nullptr) free_mb_mgr(manager_);
  manager_ = nullptr;
}

[[gnu::noinline, gnu::cold]] ChaChaJobs& start_chacha_jobs() noexcept {
  thread_local ChaChaJobs jobs;
  if (!jobs.is_started()) jobs.start();
  return jobs;
}

inline ChaChaJobs& this_threads_chacha_jobs() noexcept {
  if (chacha_jobs != nullptr) [[likely]]
    return *chacha_jobs;
  return start_chacha_jobs();
}

}  // namespace

void detail::ipsecmb_start() {
  started();
}

void detail::ipsecmb_expand_gcm(const std::uint8_t* key, void* key_data) {
  started().expand(key, static_cast<gcm_key_data*>(key_data));
}

void detail::ipsecmb_chacha_seal(const std::uint8_t* key, const std::uint8_t* nonce,
                                 base::ByteView aad, const std::uint8_t* in, std::size_t n,
                                 std::uint8_t* out, std::uint8_t* tag) noexcept {
  this_threads_chacha_jobs().run<IMB_DIR_ENCRYPT>(key, nonce, aad, in, n, out, tag);
}

void detail::ipsecmb_chacha_open(const std::uint8_t* key, const std::uint8_t* nonce,
                                 base::ByteView aad, const std::uint8_t* in, std::size_t n,
                                 std::uint8_t* out, std::uint8_t* tag) noexcept {
  ChaChaJobs& jobs = this_threads_chacha_jobs();
  if (n < kOpenInOnePass) [[likely]] {
    jobs.run<IMB_DIR_DECRYPT>(key, nonce, aad, in, n, out, tag);
  } else {
    jobs.open_in_one_pass(key, nonce, aad, in, n, out, tag);
  }
}

void detail::aead_without_key() noexcept {
  std::abort();
}

IpsecMbAead::IpsecMbAead(AeadSuite suite, std::span<const std::uint8_t, kAeadKeySize> key)
    : suite_(suite) {
  std::memset(key_, 0, sizeof key_);
  switch (suite) {
    case AeadSuite::kAes256Gcm:
      detail::ipsecmb_expand_gcm(key.data(), key_);
      return;
    case AeadSuite::kChaCha20Poly1305:
      detail::ipsecmb_start();
      std::memcpy(key_, key.data(), key.size());
      return;
  }
  detail::aead_without_key();
}

}  // namespace entresol::crypto
