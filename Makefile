# A thin front for meson and the scripts in tools/. Everything works from a fresh clone.
#   make build    compile into build/
#   make install  build, then install (root)
#   make demo     install what is missing, build, show a knock in network namespaces (root)
#   make check    install what is missing; every test with gcc, then under the sanitizers with clang,
#                 then the format check (root)
#   make fuzz     run the fuzz targets, FUZZ_TIME seconds each (FUZZ="name ..." picks some)
#   make drills   build, then lock the owner out in twelve ways, in network namespaces, and show how he gets
#                 in all the same; DRILLS="name ..." picks some (root)
#   make bench    build optimised into build-bench/, then run the benchmarks (root)
#   make format   lay out the C files
#   make deps     install what building and testing need, on Debian (root)
#   make clean    remove the build folders

FUZZ_TIME ?= 60
MESON_FLAGS ?=
export MESON_FLAGS

build: build/build.ninja
	ninja -C build

build/build.ninja:
	meson setup build $(MESON_FLAGS)

install: build
	meson install -C build --no-rebuild

demo: deps build
	demo/run.sh build

check:
	tools/check

fuzz:
	tools/fuzz $(FUZZ_TIME) $(FUZZ)

drills: deps build
	cd tests/lab && POSTERN_BIN="$(CURDIR)/build/src/cmd" PYTHONDONTWRITEBYTECODE=1 python3 drills.py $(DRILLS)

build-bench/build.ninja:
	meson setup build-bench --buildtype=release -Dtests=false $(MESON_FLAGS)

bench: deps build-bench/build.ninja
	ninja -C build-bench
	bench/run.sh build-bench
	bench/gates.sh build-bench
	bench/relay.py build-bench
	bench/classic.sh build-bench

format:
	tools/check-format --fix

deps:
	tools/install-deps

clean:
	rm -rf build build-san build-bench build-fuzz

# What is missing is installed before anything is built.
.NOTPARALLEL:
.PHONY: build install demo check fuzz drills bench format deps clean
