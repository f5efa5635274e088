# Imported target lethe::torch from a LibTorch folder (include/ and lib/).
#
# find_package(Torch) is not used: on the PyPI wheel it stops without a CUDA toolkit. Only torch_cpu
# and c10 are linked; the CUDA library is opened at run time where a CUDA device is asked for.
set(Torch_ROOT "${CMAKE_SOURCE_DIR}/.deps/torch/torch" CACHE PATH "LibTorch: include/ and lib/")
# Not cached, so that another Torch_ROOT is looked into.
find_path(LETHE_TORCH_INCLUDE ATen/ATen.h PATHS ${Torch_ROOT}/include NO_DEFAULT_PATH NO_CACHE)
find_library(LETHE_TORCH_CPU torch_cpu PATHS ${Torch_ROOT}/lib NO_DEFAULT_PATH NO_CACHE)
find_library(LETHE_C10 c10 PATHS ${Torch_ROOT}/lib NO_DEFAULT_PATH NO_CACHE)
if(NOT LETHE_TORCH_INCLUDE OR NOT LETHE_TORCH_CPU OR NOT LETHE_C10)
  message(FATAL_ERROR "LibTorch not found under Torch_ROOT=${Torch_ROOT} (expected include/ATen/ATen.h, "
                      "lib/libtorch_cpu.so, lib/libc10.so). `./lethe setup` fetches it, or pass "
                      "-DTorch_ROOT=/path/to/libtorch.")
endif()
add_library(lethe_torch INTERFACE)
add_library(lethe::torch ALIAS lethe_torch)
target_include_directories(lethe_torch SYSTEM INTERFACE ${LETHE_TORCH_INCLUDE})
target_link_libraries(lethe_torch INTERFACE ${LETHE_TORCH_CPU} ${LETHE_C10})
# The wheel's library has companions (CUDA runtime, CUPTI) beside it; its own run path finds them
# at run time, the linker need not look.
target_link_options(lethe_torch INTERFACE -Wl,--unresolved-symbols=ignore-in-shared-libs)
