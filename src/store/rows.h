// Records as rows: one table each.
#pragma once

#include "base/result.h"
#include "layer/directory/store.h"
#include "store/file/statement.h"

namespace entresol::store {

inline constexpr int kSchemaVersion = 3;
inline constexpr int kApplicationId = 0x456e7472;  // "Entr"
extern const char* const kSchema;                  // of version 1
// What makes one of the version before a store of `version` (2 or more).
const char* upgrade_to(int version);

class Rows {
 public:
  static base::Result<Rows> prepare(sqlite3* database);
  // Inside of the caller's transaction. SQLITE_DONE, or what failed.
  int write(const layer::directory::Change& change);
  base::Result<layer::directory::Snapshot> read();

 private:
  explicit Rows(sqlite3* database) : database_(database) {}
  int put(const layer::directory::Settings& record);
  int put(const layer::directory::MemberRecord& record);
  int put(const layer::directory::GuestRecord& record);
  int put(const layer::directory::NameRecord& record);
  int put(const layer::directory::TokenRecord& record);
  int put(const layer::directory::ApiTokenRecord& record);
  int put(const layer::directory::PolicyRecord& record);
  int put(const layer::directory::RegistrationRecord& record);
  int put(const layer::directory::ServiceRecord& record);
  int put(const layer::directory::PackageRecord& record);
  int put(const layer::directory::DropMember& drop);
  int put(const layer::directory::DropGuest& drop);
  int put(const layer::directory::DropName& drop);
  int put(const layer::directory::DropToken& drop);
  int put(const layer::directory::DropApiToken& drop);
  int put(const layer::directory::DropRegistration& drop);
  int put(const layer::directory::DropService& drop);
  int put(const layer::directory::DropPackage& drop);

  sqlite3* database_;
  Statement put_settings_, put_member_, put_guest_, put_name_, put_token_, put_api_token_,
      put_policy_, put_registration_, put_service_, put_package_;
  Statement drop_member_, drop_guest_, drop_name_, drop_token_, drop_api_token_, drop_registration_,
      drop_service_, drop_package_;
};

}  // namespace entresol::store
