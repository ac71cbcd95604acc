#pragma once

#include <string_view>

/// The files of console/, as they were when this was built (samara_embed() in cmake/components.cmake).
namespace samara::seed {

std::string_view console_index_html();
std::string_view console_style_css();
std::string_view console_app_js();

}  // namespace samara::seed
