# Drops from every imported target the absolute include directories that do not exist.
#
# ROS 2 packaged as Python wheels exports the include paths of the machine that built the wheels,
# which CMake refuses at generation. On stock ROS every path exists and nothing is dropped.
# Call it after the last find_package and before ament_package().
function(drop_missing_include_directories)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories "${target}" INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(kept "")
    foreach(directory IN LISTS directories)
      # Generator expressions and relative paths are not absolute, and stay.
      if(NOT IS_ABSOLUTE "${directory}" OR EXISTS "${directory}")
        list(APPEND kept "${directory}")
      endif()
    endforeach()
    set_target_properties("${target}" PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()
endfunction()
