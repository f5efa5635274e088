// SPDX-License-Identifier: Apache-2.0
#include "models/engine/device.h"

#include <dlfcn.h>
#include <link.h>

#include <filesystem>

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "harness/base/names.h"
#include "harness/base/spec.h"

namespace lethe::models {
namespace {

constexpr char kCudaLibrary[] = "libtorch_cuda.so";

/// The CUDA library beside the CPU one that this process runs with, or its plain name.
std::string cuda_library() {
  void* cpu = dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_NOLOAD);
  const link_map* where = nullptr;
  if (!cpu || dlinfo(cpu, RTLD_DI_LINKMAP, &where) != 0) return kCudaLibrary;
  const auto beside = std::filesystem::path(where->l_name).parent_path() / kCudaLibrary;
  std::error_code ec;
  return std::filesystem::exists(beside, ec) ? beside.string() : kCudaLibrary;
}

/// Registers CUDA with LibTorch, once. It looks for CUDA at its first need and remembers what it
/// found, so this must come before; and its symbols must be visible to it (RTLD_GLOBAL).
void open_cuda(const std::string& name) {
  if (c10::impl::hasDeviceGuardImpl(at::kCUDA)) return;
  if (dlopen(cuda_library().c_str(), RTLD_NOW | RTLD_GLOBAL)) return;
  const char* reason = dlerror();
  throw Error(ErrorKind::kConfig,
              "device " + name + ": LibTorch's CUDA library cannot be opened (" +
                  (reason ? reason : "unknown reason") +
                  "). `./lethe setup --cuda` fetches the libraries it needs; a LibTorch given by "
                  "Torch_ROOT must be a CUDA build and bring them along");
}

at::Device open_device(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  const bool cuda = name.starts_with("cuda:");
  const auto index = cuda ? parse_integer(name.substr(5)) : std::nullopt;
  if (!index || *index < 0) {
    const std::string known[] = {"cpu", "cuda:0", "cuda:1"};
    throw unknown_name(ErrorKind::kConfig, "device", name, known);
  }
  open_cuda(name);
  const std::int64_t devices = c10::impl::hasDeviceGuardImpl(at::kCUDA)
                                   ? c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount()
                                   : 0;
  if (devices == 0) {
    throw Error(ErrorKind::kConfig, "device " + name +
                                        ": no CUDA device found (is there one, and NVIDIA's "
                                        "driver for it?)");
  }
  if (*index >= devices) {
    throw Error(ErrorKind::kConfig, "device " + name + ": there " +
                                        (devices == 1 ? "is 1 CUDA device, cuda:0"
                                                      : "are " + std::to_string(devices) +
                                                            " CUDA devices, cuda:0 to cuda:" +
                                                            std::to_string(devices - 1)));
  }
  if (!at::globalContext().hasCUDA()) {
    throw Error(ErrorKind::kInternal,
                "device " + name + ": asked for only after LibTorch had looked for CUDA");
  }
  const at::Device device(at::kCUDA, static_cast<c10::DeviceIndex>(*index));
  // What names no device, such as pinned memory, would otherwise take room on the first one.
  c10::impl::VirtualGuardImpl(at::kCUDA).setDevice(device);
  return device;
}

}  // namespace

std::string Placement::kind() const {
  if (!device.is_cpu()) return "cuda";
  return backend == Backend::kHost ? "cpu" : "cpu-tensor";
}

Placement open_placement(const LoadOptions& options) {
  const at::Device device = open_device(options.device);
  return {device, device.is_cpu() ? options.backend : Backend::kTensor};
}

void require_device(const std::string& name) {
  open_device(name);
}

Error out_of_device_memory(at::Device device, const c10::OutOfMemoryError& error) {
  return {ErrorKind::kResource,
          "device " + device.str() + ": " + std::string(error.what_without_backtrace())};
}

}  // namespace lethe::models
