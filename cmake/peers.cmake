# What Colloquy is compared with: bench/peers/peer_NAME.cpp makes one program each, where its library is found.
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
    return()
endif()

add_custom_target(peers)
function(colloquy_peer name)
    add_executable(peer_${name} bench/peers/peer_${name}.cpp)
    add_dependencies(peers peer_${name})
    target_include_directories(peer_${name} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(peer_${name} PRIVATE Threads::Threads colloquy_warnings ${ARGN})
endfunction()

# A peer whose library pkg-config knows as `module`.
function(colloquy_packaged_peer name module)
    string(TOUPPER peer_${name} prefix)
    pkg_check_modules(${prefix} QUIET IMPORTED_TARGET ${module})
    if(${prefix}_FOUND)
        colloquy_peer(${name} PkgConfig::${prefix})
    endif()
endfunction()

colloquy_peer(mux)
colloquy_peer(raw)
colloquy_peer(bare colloquy_concurrent_queue)
colloquy_peer(colloquy colloquy_static colloquy_allocator)
find_path(PEER_ASIO_INCLUDE asio.hpp)
mark_as_advanced(PEER_ASIO_INCLUDE)
if(PEER_ASIO_INCLUDE)
    add_library(peer_asio_headers INTERFACE)
    target_include_directories(peer_asio_headers SYSTEM INTERFACE ${PEER_ASIO_INCLUDE})
    colloquy_peer(asio peer_asio_headers)
endif()
if(PKG_CONFIG_FOUND)
    colloquy_packaged_peer(libuv libuv)
    colloquy_packaged_peer(zeromq libzmq)
endif()
find_package(nng QUIET)
if(nng_FOUND)
    colloquy_peer(nng nng::nng)
endif()

# gRPC wants its own compiler beside its library. What that writes is not held to our warnings.
find_program(PEER_PROTOC protoc)
find_program(PEER_GRPC_PLUGIN grpc_cpp_plugin)
mark_as_advanced(PEER_PROTOC PEER_GRPC_PLUGIN)
if(PKG_CONFIG_FOUND AND PEER_PROTOC AND PEER_GRPC_PLUGIN)
    pkg_check_modules(PEER_GRPC QUIET IMPORTED_TARGET grpc++ protobuf)
endif()
if(PEER_GRPC_FOUND)
    set(generated ${PROJECT_BINARY_DIR}/peer-grpc)
    set(generated_sources ${generated}/peer.pb.cc ${generated}/peer.grpc.pb.cc)
    file(MAKE_DIRECTORY ${generated})
    add_custom_command(
        OUTPUT ${generated_sources}
        COMMAND ${PEER_PROTOC} --proto_path=${PROJECT_SOURCE_DIR}/bench/peers --cpp_out=${generated}
            --grpc_out=${generated} --plugin=protoc-gen-grpc=${PEER_GRPC_PLUGIN} peer.proto
        DEPENDS bench/peers/peer.proto)
    add_library(peer_grpc_generated STATIC ${generated_sources})
    target_include_directories(peer_grpc_generated SYSTEM PUBLIC ${generated})
    target_link_libraries(peer_grpc_generated PUBLIC PkgConfig::PEER_GRPC)
    colloquy_peer(grpc peer_grpc_generated)
endif()

# All of them once, for a moment each, so that they cannot rot.
if(COLLOQUY_BUILD_TESTS AND Python3_Interpreter_FOUND)
    add_test(NAME bench_compare
        COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/bench/compare.py ${PROJECT_BINARY_DIR} --rounds 1
            --duration 0.05 --warmup 0.05 --conversations 50,1000 --links 100 --idle 1000
            --out ${PROJECT_BINARY_DIR}/compare)
    set_tests_properties(bench_compare PROPERTIES LABELS bench-smoke TIMEOUT 600)
endif()
