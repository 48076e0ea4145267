// A C interface to libtorch's distributed engine: TCPStore and ProcessGroupGloo, which libtorch_cpu
// exports. No exception leaves this file: a function returns null, or a message for free().

#define USE_C10D_GLOO  // The wheel's libtorch_cpu is built with it; without it the header is empty.

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "../libtorch/guarded.h"

namespace {

using Milliseconds = std::chrono::milliseconds;

struct Group {
  // Of rank 0, it serves the others too.
  c10::intrusive_ptr<c10d::Store> store;
  bool serves = false;
  int rank = 0;
  int size = 0;
  // Null until the processes are connected.
  c10::intrusive_ptr<c10d::Backend> backend;
};

c10d::Backend& connected(const Group* group) {
  if (!group->backend) {
    throw std::runtime_error("the processes are not connected");
  }
  return *group->backend;
}

void finish(const c10::intrusive_ptr<c10d::Work>& work) {
  // Gloo ends at the group's timeout, and this waits as long as it does.
  if (!work->wait()) {
    throw std::runtime_error("the exchange was aborted");
  }
}

}  // namespace

extern "C" {

// Meets others at `host`:`port`. The process with the socket `listener`, which is -1 in all others, serves
// them. It may wait without end, if somebody listens there who says nothing.
char* c10d_meet(const char* host, uint16_t port, int listener, int rank, int size, const char* prefix,
                int64_t meeting_ms, Group** opened) {
  return guarded([&] {
    // libtorch writes the faults that it returns to standard error too, with stacks of C++.
    if (!getenv("TORCH_CPP_LOG_LEVEL")) {
      FLAGS_caffe2_log_level = 3;  // Fatal.
    }
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = listener >= 0;
    if (listener >= 0) {
      options.masterListenFd = listener;
    }
    options.numWorkers = size;
    options.waitWorkers = false;
    options.timeout = Milliseconds(meeting_ms);
    auto tcp = c10::make_intrusive<c10d::TCPStore>(host, options);
    auto group = std::make_unique<Group>();
    group->store = c10::make_intrusive<c10d::PrefixStore>(prefix, tcp);
    group->serves = options.isServer;
    group->rank = rank;
    group->size = size;
    // A process that was launched wrongly is told so, instead of all waiting in vain.
    const std::string own = std::to_string(size);
    const auto first = group->store->compareSet("size", "", own);
    if (first != own) {
      throw std::runtime_error("this process is one of " + own + ", others are of " + first);
    }
    if (group->store->add("rank/" + std::to_string(rank), 1) != 1) {
      throw std::runtime_error("another process has rank " + std::to_string(rank) + " too");
    }
    *opened = group.release();
  });
}

// Connects every process to every other, by the network interfaces with these names, which are separated by
// commas, or without any by that of `address`, where the others reach this one.
char* c10d_connect(Group* group, const char* address, const char* interfaces, int64_t meeting_ms,
                   int64_t exchange_ms) {
  return guarded([&] {
    const auto& store = group->store;
    std::vector<std::string> ranks;
    for (int other = 0; other < group->size; ++other) {
      ranks.push_back("rank/" + std::to_string(other));
    }
    try {
      store->wait(ranks, Milliseconds(meeting_ms));
    } catch (const std::exception&) {
      std::string missing;
      for (int other = 0; other < group->size; ++other) {
        if (!store->check({ranks[other]})) {
          missing += (missing.empty() ? "" : ", ") + std::to_string(other);
        }
      }
      if (missing.empty()) {
        throw;
      }
      throw std::runtime_error("these ranks of " + std::to_string(group->size) + " did not come: " + missing);
    }

    // Gloo connects within the timeout of its exchanges.
    auto gloo = c10d::ProcessGroupGloo::Options::create(Milliseconds(meeting_ms));
    const bool lazy = c10d::getDefaultGlooLazyInit();
    std::stringstream names{std::string(interfaces)};
    for (std::string name; std::getline(names, name, ',');) {
      gloo->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(name, lazy));
    }
    if (gloo->devices.empty()) {
      gloo->devices.push_back(*address ? c10d::ProcessGroupGloo::createDeviceForHostname(address, lazy)
                                       : c10d::ProcessGroupGloo::createDefaultDevice(lazy));
    }
    group->backend = c10::make_intrusive<c10d::ProcessGroupGloo>(store, group->rank, group->size, gloo);
    group->backend->setTimeout(Milliseconds(exchange_ms));
  });
}

char* c10d_close(Group* group) {
  return guarded([&] { delete group; });
}

// `output` has the inputs of all processes, one behind the other.
char* c10d_all_gather(Group* group, at::Tensor* output, at::Tensor* input) {
  return guarded([&] { finish(connected(group)._allgather_base(*output, *input)); });
}

// Rows of `input` go to the processes, `sent[rank]` to each in their order; rows of `output` come
// from them, `received[rank]` from each.
char* c10d_all_to_all(Group* group, at::Tensor* output, at::Tensor* input, const int64_t* received,
                      const int64_t* sent, int size) {
  return guarded([&] {
    std::vector<int64_t> out(received, received + size), in(sent, sent + size);
    finish(connected(group).alltoall_base(*output, *input, out, in));
  });
}

// Tells the others which processes have ended, and returns what the first one told, or null if who serves does not
// answer. It is a string for c10d_free.
char* c10d_lost(Group* group, const char* own) {
  std::string first;
  char* fault = guarded([&] { first = group->store->compareSet("lost", "", own); });
  if (fault) {
    free(fault);
    return nullptr;
  }
  return strdup(first.c_str());
}

// The first fault that a process told the others, "" if none did. `own` is that of this process; without
// one, another's is awaited. The result is null if who serves does not answer, or a string for c10d_free.
char* c10d_blame(Group* group, const char* own, int64_t waiting_ms) {
  std::string first;
  char* fault = guarded([&] {
    const auto& store = group->store;
    std::vector<uint8_t> found;
    if (own) {
      const std::string text(own);
      found = store->compareSet("fault", {}, std::vector<uint8_t>(text.begin(), text.end()));
    } else {
      try {
        store->wait({"fault"}, Milliseconds(waiting_ms));
      } catch (const std::exception&) {
        // Either the time is over or, which is asked next, nobody serves any more.
      }
      if (store->check({"fault"})) {
        found = store->get("fault");
      }
    }
    first.assign(found.begin(), found.end());
    store->add("heard/" + std::to_string(group->rank), 1);
  });
  if (fault) {
    free(fault);
    return nullptr;
  }
  if (group->serves) {
    // With this process the others would lose what was told.
    std::vector<std::string> all;
    for (int rank = 0; rank < group->size; ++rank) {
      all.push_back("heard/" + std::to_string(rank));
    }
    free(guarded([&] { group->store->wait(all, Milliseconds(waiting_ms)); }));
  }
  return strdup(first.c_str());
}

}  // extern "C"
