#pragma once

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace samara {

/// The one errno -> absl::Status table. `doing` names the operation and the thing ("open /var/lib/x").
/// ENOENT NotFound, EEXIST AlreadyExists, EACCES/EPERM PermissionDenied, ENOSPC/EDQUOT/EMFILE ResourceExhausted,
/// ETIMEDOUT DeadlineExceeded, ECONNREFUSED/EPIPE/ECONNRESET Unavailable, EINVAL InvalidArgument, else Internal.
absl::Status errno_status(int error, std::string_view doing);

/// `status` with "`context`: " in front of its message, payloads kept; OK stays OK.
absl::Status annotate(const absl::Status& status, std::string_view context);

}  // namespace samara

/// Returns from the enclosing function when `expr` is not OK.
#define SAMARA_RETURN_IF_ERROR(expr)                   \
  do {                                                 \
    if (absl::Status samara_status_ = (expr); !samara_status_.ok()) return samara_status_; \
  } while (false)

#define SAMARA_CONCAT_INNER_(a, b) a##b
#define SAMARA_CONCAT_(a, b) SAMARA_CONCAT_INNER_(a, b)
#define SAMARA_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                                  \
  if (!tmp.ok()) return tmp.status();                 \
  lhs = std::move(tmp).value()

/// Assigns the value of the StatusOr `expr` to `lhs`, or returns its status from the enclosing function.
#define SAMARA_ASSIGN_OR_RETURN(lhs, expr) \
  SAMARA_ASSIGN_OR_RETURN_IMPL_(SAMARA_CONCAT_(samara_or_, __LINE__), lhs, expr)
