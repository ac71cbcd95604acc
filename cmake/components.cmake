include(GoogleTest)

# Every program of unit tests; all that a sanitizer run builds.
add_custom_target(unit_tests)

# samara_tests(NAME SOURCES... LIBS...): one GoogleTest program; every TEST in it is a ctest test.
# A program that needs root or real daemons gets LABELS so that a sanitizer run can leave it out. TIMEOUT: seconds, 120.
function(samara_tests name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} GTest::gmock GTest::gtest_main)
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(arg_LABELS STREQUAL "unit")
    add_dependencies(unit_tests ${name})
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()

# samara_fuzzer(NAME SOURCES... LIBS... CORPUS dir): a libFuzzer target, built with -DSAMARA_FUZZ=ON (clang).
function(samara_fuzzer name)
  if(NOT SAMARA_FUZZ)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE ${arg_LIBS})
endfunction()

# samara_protos(TARGET PROTO...): a library of the generated messages and gRPC stubs.
function(samara_protos target)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${target}_gen)
  file(MAKE_DIRECTORY ${out})
  set(generated)
  foreach(proto ${ARGN})
    get_filename_component(stem ${proto} NAME_WE)
    get_filename_component(dir ${proto} DIRECTORY)
    get_filename_component(dir ${dir} ABSOLUTE)
    set(files ${out}/${stem}.pb.cc ${out}/${stem}.pb.h ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
    add_custom_command(
      OUTPUT ${files}
      COMMAND protobuf::protoc -I ${dir} --cpp_out=${out} --grpc_out=${out}
              --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin> ${dir}/${stem}.proto
      DEPENDS ${proto} VERBATIM)
    list(APPEND generated ${files})
  endforeach()
  add_library(${target} STATIC ${generated})
  target_include_directories(${target} SYSTEM PUBLIC ${out})
  target_compile_options(${target} PRIVATE -w)
  target_link_libraries(${target} PUBLIC gRPC::grpc++ protobuf::libprotobuf)
endfunction()

# samara_embed(TARGET HEADER NAMESPACE PREFIX FILE...): FILEs become part of TARGET, each as a function
# "std::string_view PREFIX_<name with _ for .>()" that HEADER declares.
function(samara_embed target header namespace prefix)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${target}_${prefix}.cc)
  set(text "#include \"${header}\"\n\nnamespace ${namespace} {\n")
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME)
    string(REPLACE "." "_" name ${name})
    file(READ ${file} content HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${content}")
    string(APPEND text "std::string_view ${prefix}_${name}() {\n  static constexpr unsigned char kBytes[] = {${bytes}};\n"
      "  return {reinterpret_cast<const char*>(kBytes), sizeof kBytes};\n}\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  endforeach()
  file(GENERATE OUTPUT ${out} CONTENT "${text}}  // namespace ${namespace}\n")
  target_sources(${target} PRIVATE ${out})
endfunction()
