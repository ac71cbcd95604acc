#!/usr/bin/env bash
# The pull half of the OCI Distribution Specification, asked of samara-site in front of Debian's docker-registry, and of
# what it holds once that registry is gone. conformance.py lists the requirements.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

conformance() { python3 "$top/tests/e2e/conformance.py" "$@" >&2; }

temporary_directory work
start_registry "$work/registry"
succeeds "the registry takes the test content" conformance fill "$registry_address" "$work/state"
start_site "$work/site"
succeeds "the mirror answers as the specification says" conformance check "$site_address" "$local_registry" "$work/state"

stop_process "$registry_pid" docker-registry
succeeds "and from what it holds, the registry being gone" \
  conformance offline "$site_address" "$local_registry" "$work/state"
