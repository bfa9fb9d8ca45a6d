// colloquy.hpp: the whole C++20 interface but what needs a library of others (asio.hpp, libuv.hpp).
#pragma once

#include "colloquy/async.hpp"
#include "colloquy/conversation.hpp"
#include "colloquy/executor.hpp"
#include "colloquy/loop.hpp"
#include "colloquy/result.hpp"
#include "colloquy/serve.hpp"
#include "colloquy/task.hpp"
#include "colloquy/thread_pool.hpp"
#include "colloquy/types.hpp"
#include "colloquy/unit.hpp"
