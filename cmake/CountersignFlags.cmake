# Warnings, hardening and sanitizers: the same for every target of ours, in every build type.
set(CS_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-align -Wcast-qual
    -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wswitch-enum -Wdouble-promotion -Wnull-dereference
    -Wimplicit-fallthrough -Werror)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  list(APPEND CS_WARNINGS -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init
       -Walloc-zero -Warith-conversion)
else()
  list(APPEND CS_WARNINGS -Wcomma -Wunreachable-code-aggressive -Wmissing-variable-declarations
       -Wassign-enum)
endif()

set(CS_HARDENING -O2 -g -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  list(APPEND CS_HARDENING -ftrivial-auto-var-init=zero)
endif()
set(CS_LINK_HARDENING -pie -Wl,-z,relro,-z,now)

set(CS_SANITIZERS "")
if(CS_SANITIZE_ADDRESS)
  set(CS_SANITIZERS -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(CS_SANITIZE_THREAD)
  set(CS_SANITIZERS -fsanitize=thread -fno-omit-frame-pointer)
else()
  list(APPEND CS_HARDENING -D_FORTIFY_SOURCE=3)
endif()
if(CS_SANITIZERS AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # gcc's sanitizers confuse these two; every other build type keeps them.
  list(APPEND CS_WARNINGS -Wno-null-dereference -Wno-maybe-uninitialized)
endif()
if(CS_FUZZ)
  list(APPEND CS_SANITIZERS -fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
