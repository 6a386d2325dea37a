# Sourced by ./run: need_packages SECTION… installs the packages of these sections of packaging/debian-12.packages that
# are missing or too old. One dpkg-query when all is there. Sets as_root: the words to put before a command for root.

as_root=()
if [[ $(id -u) -ne 0 ]]; then as_root=(sudo); fi

# Prints "NAME MINIMUM [COMMAND]" a line (MINIMUM may be -) for the sections given, without what other architectures need.
# COMMAND serves instead of the package where it is on PATH in that version.
packages_of() {
  local architecture
  architecture=$(dpkg --print-architecture 2>/dev/null || uname -m)
  awk -v wanted=" $* " -v architecture="$architecture" '
    { sub(/#.*/, "") }
    /^\[/ { section = $1; gsub(/[][]/, "", section); next }
    NF == 0 || index(wanted, " " section " ") == 0 { next }
    {
      minimum = "-"
      instead = ""
      for (i = 2; i <= NF; ++i) {
        if ($i == ">=") minimum = $(i + 1)
        if ($i ~ /^\[or:.*\]$/) instead = " " substr($i, 5, length($i) - 5)
        else if ($i ~ /^\[.*\]$/ && $i != "[" architecture "]") next
      }
      if (!seen[$1]++) print $1, minimum instead
    }' packaging/debian-12.packages
}

# Whether COMMAND runs and its --version names at least MINIMUM.
command_serves() {
  local version
  version=$("$1" --version 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1) || return 1
  dpkg --compare-versions "$version" ge "$2"
}

# Prints those of the lines "NAME MINIMUM [COMMAND]" on stdin that are not installed in at least that version.
packages_missing() {
  local name minimum instead wanted installed version
  wanted=$(cat)
  installed=$(cut -d' ' -f1 <<<"$wanted" |
    xargs dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' 2>/dev/null | sort -u || true)
  while read -r name minimum instead; do
    if [[ -n $instead ]] && command_serves "$instead" "$minimum"; then continue; fi
    version=$(awk -v name="$name" '$1 == name && $3 == "ii" { print $2; exit }' <<<"$installed")
    if [[ -z $version ]] || { [[ $minimum != - ]] && ! dpkg --compare-versions "$version" ge "$minimum"; }; then
      printf '%s %s\n' "$name" "$minimum"
    fi
  done <<<"$wanted"
}

# Runs a command with its output in a log; on a terminal its last line is shown in place, and the log's end if it fails.
packages_step() {
  local log=$1 what=$2 start=$SECONDS status=0 line
  shift 2
  if [[ -t 1 ]]; then
    "$@" </dev/null 2>&1 | tee -a "$log" | while IFS= read -r line; do
      printf '\r\033[K%s  %ds  %.60s' "$what" $((SECONDS - start)) "${line//[^[:print:]]/ }"
    done || status=$?
    printf '\r\033[K'
  else
    "$@" </dev/null >>"$log" 2>&1 || status=$?
  fi
  if [[ $status -ne 0 ]]; then
    tail -n 15 "$log" >&2
    printf 'run: "%s" failed; the whole output is in %s\n' "$what" "$log" >&2
    return 1
  fi
  printf '%-28s %6d s\n' "$what" $((SECONDS - start))
}

need_packages() {
  [[ ${ENTRESOL_PACKAGES:-} == skip ]] && return 0
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    printf 'run: this is no Debian; install what these Debian 12 packages hold, then set ENTRESOL_PACKAGES=skip:\n' >&2
    packages_of "$@" | cut -d' ' -f1 | fmt -w 100 >&2
    return 1
  fi
  local missing names log still
  missing=$(packages_of "$@" | packages_missing)
  [[ -z $missing ]] && return 0
  mapfile -t names < <(cut -d' ' -f1 <<<"$missing")
  printf 'Installing from Debian (%s): %s\n' "${#names[@]}" "${names[*]}"
  if [[ ${#as_root[@]} -gt 0 ]] && ! command -v sudo >/dev/null; then
    printf 'run: not root, and no sudo here. As root: apt-get install %s\n' "${names[*]}" >&2
    return 1
  fi
  mkdir -p "${BUILD_DIR:-build}/log"
  log=${BUILD_DIR:-build}/log/packages.log
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120)
  packages_step "$log" "package lists" "${apt[@]}" update
  packages_step "$log" "packages" "${apt[@]}" install --no-install-recommends "${names[@]}"
  still=$(packages_of "$@" | packages_missing)
  if [[ -n $still ]]; then
    printf 'run: too old or still missing here (name, minimum):\n%s\n' "$still" >&2
    printf 'Entresol is built on Debian 12; elsewhere set ENTRESOL_PACKAGES=skip to go on with what is there.\n' >&2
    return 1
  fi
}
