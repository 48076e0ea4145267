// Counts what a training step moves to a device and what it waits for. transfers.rs compiles it.

#include <set>
#include <string>

#include <ATen/record_function.h>

#include "../src/libtorch/guarded.h"

namespace {

// The operations whose result the processor has to know, so that it waits for the device.
const std::set<std::string> WAITS = {
    "aten::_local_scalar_dense", "aten::nonzero",        "aten::is_nonzero", "aten::equal",
    "aten::masked_select",       "aten::unique_dim",     "aten::_unique2",   "aten::unique_consecutive",
    "aten::bincount",            "aten::allclose",
};

size_t moves = 0, waits = 0;
at::CallbackHandle counting = at::INVALID_CALLBACK_HANDLE;

}  // namespace

extern "C" {

// Counts the operations of this thread from now on.
char* transfers_begin() {
  return guarded([] {
    moves = waits = 0;
    auto before = [](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
      const std::string name = function.name();
      waits += WAITS.count(name);
      // On a processor it is called too, and gives back the same tensor. A change of the kind of numbers is one
      // that names their layout beside the device.
      const auto inputs = function.inputs();
      moves += name == "aten::to" && inputs[2].isNone() && inputs[3].isDevice();
      return nullptr;
    };
    auto callback = at::RecordFunctionCallback(before).needsInputs(true);
    counting = at::addThreadLocalCallback(callback.scopes({at::RecordScope::FUNCTION}));
  });
}

// Ends it, and tells how often tensors were moved to a device or back, and how often a device was waited for.
char* transfers_end(size_t* moved, size_t* waited) {
  return guarded([&] {
    at::removeCallback(counting);
    *moved = moves;
    *waited = waits;
  });
}
}
