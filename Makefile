# Every target is a thin call of the command line `echobench`; `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

DATASET ?= phantom
STUDY ?= modules
# The dataset's folder: ROOT=..., or CAMUS_ROOT=... / ECHONET_ROOT=... by the dataset's name.
ROOT ?= $($(shell echo $(DATASET) | tr a-z A-Z)_ROOT)

comma := ,
flag = $(if $(strip $($(1))),--$(2) "$(strip $($(1)))")
switch = $(if $(filter-out 0 no false,$($(1))),--$(2))
DATA_ARGS = --dataset $(DATASET) $(call flag,ROOT,root) $(call flag,VIEWS,views) $(call flag,CLIP,clip) \
	$(call switch,ALLOW_PARTIAL,allow-partial) $(call flag,SPLIT_DIR,split-dir)
SUITE_ARGS = $(call flag,SUITE,suite) $(call flag,MODELS,models) $(call flag,SIZE,size) $(call flag,RECIPE,recipe) \
	$(call flag,SEEDS,seeds) $(call flag,STRUCTURES,structures) $(call flag,FIRST_FRAME,first-frame) \
	$(call flag,REPORT,report) $(if $(strip $(AUGMENT)),--set recipe.augment=$(strip $(AUGMENT))) \
	$(foreach item,$(SET),--set "$(item)")
# Which finished runs: REPORT=<name>[,<name>] or RUNS=<run>[,<run>], else those of `make bench` with the same options.
SWEPT = $(DATA_ARGS) $(call flag,SUITE,suite) $(call flag,SIZE,size) $(call flag,STRUCTURES,structures) \
	$(call flag,FIRST_FRAME,first-frame) $(call flag,AUGMENT,augment) $(call flag,REPORT,report) $(call flag,RUNS,runs)

.PHONY: help setup tools gpu-check bench bench-paper profile robustness ablate report tables reference reference-reports verify mutate torture torture-quick fuzz lock sbom release audit-dependencies audit data test coverage docs lint style format clean

help: ## list the targets
	@grep -hE '^[a-z -]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

setup: $(VENV)/.installed ## make the virtual environment and install everything

# A torch that the Python in use already has is kept, whatever constraints.txt pins: on a CUDA machine it fits the driver.
# (Not that of a virtual environment: one that is made from it sees the packages of its base alone.)
KEPT_TORCH := $(shell $(PYTHON) -c "import sys, importlib.util as u; print('yes' if sys.prefix == sys.base_prefix and u.find_spec('torch') else '')" 2>/dev/null)
CONSTRAINTS = $(if $(KEPT_TORCH),$(VENV)/constraints.txt,constraints.txt)

$(VENV)/.installed: pyproject.toml constraints.txt kernels/pyproject.toml $(wildcard kernels/echobench_kernels/csrc/*)
	$(PYTHON) -m venv $(if $(KEPT_TORCH),--system-site-packages) $(VENV)
	$(if $(KEPT_TORCH),grep -v '^torch' constraints.txt > $(VENV)/constraints.txt || true)
	$(BIN)/pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e ".[test]"
	@if command -v cc >/dev/null || command -v gcc >/dev/null; then \
		$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e ./kernels \
			|| echo "The engine native could not be built; everything else works without it (docs/engines.md)."; \
	else echo "No C compiler: the engine native is left out; everything else works without it (docs/engines.md)."; fi
	@touch $@

# One training per GPU; without one, a training per core (at most four): trainings of one thread each are done sooner than one after
# the other with several threads, which wait for each other.
BENCH_WORKERS = $(or $(strip $(WORKERS)),$(shell n=$$(nvidia-smi -L 2>/dev/null | grep -c GPU); [ $$n -gt 0 ] || n=$$(nproc); [ $$n -gt 4 ] && n=4; echo $$n))

bench: setup ## train and compare the models: DATASET= MODELS= SEEDS= STRUCTURES= FIRST_FRAME= WORKERS= AUGMENT=robust SET="recipe.x=1"
	$(BIN)/echobench bench $(DATA_ARGS) $(SUITE_ARGS) --workers $(BENCH_WORKERS) $(ARGS)

bench-paper: setup ## the same with paper-size models at 256 px on a CUDA device (DATASET=camus unless given)
	$(MAKE) bench DATASET=$(if $(filter file,$(origin DATASET)),camus,$(DATASET)) SUITE=paper

profile: setup ## latency, FPS, GMACs, parameters, memory: MODELS= SIZE=
	$(BIN)/echobench profile $(call flag,MODELS,models) $(call flag,SIZE,size) $(ARGS)

gpu-check: setup ## a short visit to a CUDA device (docs/gpu.md): MINUTES=9 ROOT=<prepared CAMUS, 256 px> DRY=1 (on the CPU)
	$(BIN)/python benchmarks/gpu_check.py --minutes $(or $(MINUTES),9) $(call flag,ROOT,root) $(call switch,DRY,dry-run) $(ARGS)

robustness: setup ## finished runs under perturbations: DATASET= AUGMENT=robust REPORT=<name> RUNS= PERTURBATIONS= SEVERITIES= METRICS= LIMIT= WORKERS=
	$(BIN)/echobench robustness run $(SWEPT) $(call flag,PERTURBATIONS,perturbations) $(call flag,SEVERITIES,severities) \
		$(call flag,METRICS,metrics) $(call flag,LIMIT,limit) $(call flag,WORKERS,workers) $(ARGS)
	$(BIN)/echobench robustness report $(SWEPT)

ablate: setup ## a study over the parts of GDKVM: STUDY=modules DATASET= SEEDS= WORKERS= STORAGE= STUDY_NAME=
	$(BIN)/echobench ablate $(STUDY) $(DATA_ARGS) $(call flag,SIZE,size) $(call flag,RECIPE,recipe) \
		$(call flag,SEEDS,seeds) $(call flag,STUDY_NAME,study-name) $(call flag,WORKERS,workers) $(call flag,STORAGE,storage) \
		$(foreach item,$(SET),--set "$(item)") $(ARGS)

report tables: setup ## tables, figures and page of a report from its finished runs: REPORT=<name>
	$(BIN)/echobench report $(REPORT) $(ARGS)

# Studies and sweeps first: the page of a suite shows those that lie in or beside its folder.
SUITE_REPORTS = $(patsubst %/suite.json,%,$(wildcard reports/reference/*/suite.json))
reference-reports: setup ## tables, figures and pages of the committed results, in reports/reference
	set -e; for folder in $(filter-out $(SUITE_REPORTS),$(wildcard reports/reference/*)) $(SUITE_REPORTS); do \
		name=$$(basename $$folder); \
		$(BIN)/echobench report $$name --results-dir results/reference/$$name --reports-dir reports/reference; done

reference: setup ## make all reference results, hours: ROOT=<CAMUS> ONLY=phantom,stills WORKERS=2 LIST=1 (tools/reference.py)
	$(BIN)/python tools/reference.py $(call flag,ROOT,root) $(call flag,ONLY,only) $(call flag,WORKERS,workers) $(call switch,LIST,list) $(ARGS)

# A process per core, one thread each; suites have the most tables and begin first. One report that differs fails them all.
verify: setup ## derive every committed report again from its rows, and the README's sentences from the reports
	printf '%s\n' $(notdir $(SUITE_REPORTS) $(filter-out $(SUITE_REPORTS),$(wildcard reports/reference/*))) | \
		OMP_NUM_THREADS=1 xargs -P $$(nproc) -I NAME $(BIN)/echobench verify NAME \
		--results-dir results/reference/NAME --reports-dir reports/reference
	$(BIN)/python tools/readme.py --check

mutate: setup ## break the code on purpose and see whether a test notices: SAMPLE=200 SEED= AREAS=dicom,tables
	$(BIN)/python -c "import mutmut" 2>/dev/null || $(BIN)/pip install --quiet -c constraints.txt -e ".[mutation]"
	$(BIN)/python tools/mutate.py $(call flag,SAMPLE,sample) $(call flag,SEED,seed) $(call flag,AREAS,areas) $(ARGS)

torture: setup ## kill every verb at random moments and compare its files: KILLS=100 MINUTES=60
	$(BIN)/python benchmarks/torture.py --kills $(or $(KILLS),100) --minutes $(or $(MINUTES),60) $(ARGS)

torture-quick: setup ## the same in five minutes
	$(BIN)/python benchmarks/torture.py --kills $(or $(KILLS),20) --minutes $(or $(MINUTES),5) $(ARGS)

fuzz: setup ## damaged files for every reader: MINUTES=10 (each) READERS=NIfTI,DICOM ENGINE=atheris
	$(if $(filter atheris,$(ENGINE)),$(BIN)/python -c "import atheris" 2>/dev/null || $(BIN)/pip install --quiet -c constraints.txt -e ".[fuzz]")
	$(BIN)/python benchmarks/fuzz.py --minutes $(or $(MINUTES),10) $(call flag,READERS,readers) $(call flag,ENGINE,engine) $(ARGS)

RELEASE_TOOLS = $(BIN)/python -c "import uv, cyclonedx_py, pip_audit" 2>/dev/null || $(BIN)/pip install --quiet -c constraints.txt -e ".[release]"
lock: setup ## requirements.lock, what this environment holds with the hash of every file: ARGS="--find-links FOLDER"
	$(RELEASE_TOOLS)
	$(BIN)/python tools/lock.py $(ARGS)

sbom: setup ## build/sbom.cdx.json, the bill of materials of a release (CycloneDX), from requirements.lock
	$(RELEASE_TOOLS)
	mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.cdx.json

release: sbom ## build/release: the wheel with its lock file and bill of materials; DEMO=RUN adds weights trained on the phantom
	rm -rf build/release
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/release .
	cp requirements.lock build/sbom.cdx.json build/release
	$(if $(DEMO),$(BIN)/python tools/demonstration.py "$(DEMO)" build/release/demonstration-phantom.safetensors)

audit-dependencies: setup ## known faults of the packages in requirements.lock; a sentence where the database cannot be reached
	$(RELEASE_TOOLS)
	$(BIN)/python tools/audit_dependencies.py $(ARGS)

audit: setup ## whether our tables and the published ones can be true
	$(BIN)/echobench audit --strict $(wildcard reports/reference/*/table.csv)
	$(BIN)/echobench audit --published --brief

data: setup ## check a dataset's folder: DATASET= ROOT=
	$(BIN)/echobench data check $(ROOT) $(ARGS)

# One thread for each process of the tests: two teams of threads on the same cores wait for each other. A process more than there
# are cores, because tests of killed and stopped processes mostly wait. Each process begins with a share of whole files, so that
# what a file prepares is prepared once.
test: setup ## all tests
	OMP_NUM_THREADS=1 $(BIN)/pytest --durations=15 -n $$(($$(nproc) + 1)) --dist worksteal $(ARGS)

coverage: setup ## all tests, and which lines they reach
	OMP_NUM_THREADS=1 $(BIN)/pytest --cov --cov-report=term:skip-covered -n auto --dist worksteal $(ARGS)

# Before anything runs beside them: pip exchanges files that a check may be reading.
tools: setup ## what documentation and releases need beside the packages of the tests
	$(BIN)/python -c "import mkdocstrings, material, uv, cyclonedx_py, pip_audit" 2>/dev/null \
		|| $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs,release]"

docs: setup ## the documentation as a site, in site/: every link is checked, the public names come from their docstrings
	$(BIN)/python -c "import mkdocstrings, material" 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

lint: setup ## ruff, type check, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if $(BIN)/python -c "import echobench_kernels" 2>/dev/null; then \
		MYPYPATH=kernels $(BIN)/mypy -p echobench_kernels && $(BIN)/lint-imports --config kernels/pyproject.toml; \
	else echo "echobench-kernels is not installed: its types and imports were not checked."; fi

style: setup ## lines, function lengths, docstrings and comments by package
	$(BIN)/python tools/style.py $(ARGS)

format: setup ## let ruff rewrite the code's layout
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove caches of the tools (never data or results)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
