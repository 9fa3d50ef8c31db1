# `make run`, `make test` and `make lab` set up .venv on their first call; every command is printed.
# Without make (Windows): docs/install.md has the same commands.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# TORCH_INDEX=<address of a package index with CPU builds of torch> makes a much smaller installation.
TORCH_INDEX ?=
# CONSTRAINTS= (empty) installs the newest versions of everything.
CONSTRAINTS ?= -c constraints.txt
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off $(CONSTRAINTS)
READY := $(VENV)/.ready
READY_DOCS := $(VENV)/.ready-docs
# Tests run file by file in two processes of one thread each; with `make test PARALLEL=` in one.
PARALLEL ?= -n 2 --dist loadfile --no-loadscope-reorder
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL)
NBVAL = QDVAE_PROFILE=fast QDVAE_MODELS=build/test-models $(PYTEST) --nbval-lax --nbval-current-env --nbval-cell-timeout=300

# Two kernels on a small machine must not spin against each other; set before torch is imported.
export GOMP_SPINCOUNT ?= 1000
export PYTHONUNBUFFERED = 1

.PHONY: help setup run stage test test-helpers test-notebooks test-twice test-annealer test-recorded
.PHONY: test-widgets7 test-lessons test-qpu lab studio lint notebooks pretrained recordings docs slides answers student minutes badges
.PHONY: colab-check bundle stills clean

help:
	@echo "Each sets up .venv first:"
	@echo "  make run     trains, samples, generates: lessons 05 and 06, results in build/"
	@echo "  make lab     opens lesson 00 in JupyterLab"
	@echo "  make studio  opens the studio as an app"
	@echo "  make stage   writes the model as a page for any browser, build/stage.html"
	@echo "  make test    runs all tests"
	@echo "  make docs    builds the site in build/docs"
	@echo "To teach: slides answers student bundle"
	@echo "To work on it: setup lint test-helpers test-notebooks test-twice test-annealer"
	@echo "  test-recorded test-widgets7 test-lessons test-qpu notebooks pretrained recordings"
	@echo "  minutes badges colab-check clean"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
ifneq ($(TORCH_INDEX),)
	$(PIP) --no-deps --index-url $(TORCH_INDEX) torch torchvision
endif
	$(PIP) -e ".[dev]"
	@touch $(READY)

$(READY_DOCS): $(READY)
	$(PIP) -e ".[docs]"
	@touch $(READY_DOCS)

run: $(READY)
	$(BIN)/qdvae run 05_training_the_qdvae 06_generating_digits

# All but `make test-twice`, which takes about half as long as these together.
test: lint test-helpers test-notebooks test-annealer test-recorded

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/lint-imports --no-cache

test-helpers: $(READY)
	$(PYTEST) -rs tests

# What each cell shows is kept in build/once for the next test.
test-notebooks: $(READY)
	rm -rf build/test-models build/once
	$(NBVAL) -p tests.cells_twice notebooks

# The lessons with every cell run twice in a row; after test-notebooks, with which it compares.
test-twice: $(READY)
	rm -rf build/test-models
	$(NBVAL) -p tests.cells_twice --twice notebooks

# The lessons that draw spins, once more with the simulated QPU.
test-annealer: $(READY)
	rm -rf build/test-models
	QDVAE_SAMPLER=annealer $(NBVAL) notebooks/05_training_the_qdvae.ipynb notebooks/06_generating_digits.ipynb \
	  notebooks/11_when_sampling_is_hard.ipynb

# The lesson that recorded samples serve.
test-recorded: $(READY)
	rm -rf build/test-models
	QDVAE_SAMPLER=recorded $(NBVAL) notebooks/06_generating_digits.ipynb

# The lessons once more with ipywidgets 7.7.1, which is what Colab has: an environment that sees the
# packages of .venv and puts that one before them.
WIDGETS7 := $(VENV)-widgets7
test-widgets7: $(READY)
	$(BIN)/python -m venv $(WIDGETS7)
	$(BIN)/python -c "import site; print(f'import site; site.addsitedir({site.getsitepackages()[0]!r})')" \
	  > "$$($(WIDGETS7)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/packages-of-venv.pth"
	$(WIDGETS7)/bin/python -m pip install --disable-pip-version-check --progress-bar off --no-deps \
	  ipywidgets==7.7.1 ipython_genutils==0.2.0
	rm -rf build/test-models
	OMP_NUM_THREADS=1 QDVAE_PROFILE=fast QDVAE_MODELS=build/test-models $(WIDGETS7)/bin/python -m pytest \
	  $(PARALLEL) --nbval-lax --nbval-current-env --nbval-cell-timeout=300 notebooks

# All lessons as a reader runs them, in the profile `lesson`.  About half an hour.
test-lessons: $(READY)
	QDVAE_PROFILE=lesson $(BIN)/qdvae run --build build/lessons

# Asks a real QPU, for two seconds of its time at most: DWAVE_API_TOKEN must be set.
test-qpu: $(READY)
	@test -n "$$DWAVE_API_TOKEN" || (echo "Set DWAVE_API_TOKEN first."; exit 1)
	rm -rf build/test-models
	QDVAE_QPU_BUDGET_S=2 $(NBVAL) notebooks/04_grbm_on_a_qpu_subgraph.ipynb

lab: $(READY)
	$(BIN)/qdvae lab

studio: $(READY)
	$(BIN)/qdvae studio

# The model alive, as a page for any browser; no server needed.
stage: $(READY)
	$(BIN)/qdvae export-stage --overwrite --output build/stage.html
	@echo "Open build/stage.html"

# Run all lessons in the profile `lesson` and store their outputs.
notebooks: $(READY)
	$(BIN)/qdvae run --store

# Train the models that ship in data/pretrained again.  The last one needs Fashion-MNIST (data/README.md).
PRETRAIN = $(BIN)/qdvae train --profile full --prior-learning-rate 0.01 --overwrite
pretrained: $(READY)
	$(PRETRAIN) --classes clusters --n-classes 250 --output data/pretrained/qdvae-256.safetensors
	$(PRETRAIN) --classes labels --n-classes 250 --output data/pretrained/qdvae-256-labels.safetensors
	$(PRETRAIN) --data fashion-mnist --images grey --classes labels --n-classes 100 --steps 9600 \
	  --output data/pretrained/qdvae-fashion-256.safetensors

# The stills of README and site; needed after `make pretrained`, and after a change of a panel's looks.
stills: $(READY)
	$(BIN)/python tools/stage_pictures.py
	$(BIN)/python tools/panel_pictures.py

# Record samples of the shipped model on the simulated QPU again; needed after `make pretrained`.
recordings: $(READY)
	$(BIN)/qdvae record --samples 4000 --overwrite --output data/recordings/qdvae-256-simulated.safetensors

# A browser on all built pages: they ask no other host for anything, and show their formulas.
# The site has more to it: weights, links, search, the page for what is not there.
LOOK = $(BIN)/python -m pytest -q -rs tests/test_site.py

# The site, from stored outputs; any warning is an error.
docs: $(READY_DOCS)
	rm -rf docs/generated build/docs build/doctrees
	$(BIN)/python -m sphinx -E -q -W --keep-going -b html -c docs -d build/doctrees . build/docs
	QDVAE_SITE=build/docs $(LOOK) tests/test_site_pages.py
	@echo "Open build/docs/index.html"

# A deck for each lesson, from its stored figures; a browser measures every slide.
slides: $(READY_DOCS)
	$(BIN)/python tools/slides.py
	QDVAE_SITE=build/slides $(LOOK) tests/test_slides.py
	@echo "Open build/slides/index.html"

# For instructors: every exercise with its hint and its answer.
answers: $(READY)
	$(BIN)/python tools/answers.py

# A copy of the lessons without solutions, for a class; OVERWRITE=1 replaces an earlier one.
student: $(READY)
	$(BIN)/python tools/student.py $(if $(OVERWRITE),--overwrite)

# How long lessons take, by one rule (CONTRIBUTING.md), written into lessons and README.
minutes: $(READY)
	$(BIN)/python tools/lesson_minutes.py

# Launch badges and Colab's first cell in every notebook, badges in the README: after a release or a new lesson.
badges: $(READY)
	$(BIN)/python tools/launch.py

# Do our dependencies fit Colab's versions?  Needs Python 3.13 (PYTHON313) and a package index.
PYTHON313 ?= python3.13
colab-check: $(READY)
	$(BIN)/python tools/colab_check.py --python $(PYTHON313)

# Everything that a room without a network needs, in one file in build/.
bundle: $(READY)
	$(BIN)/python tools/bundle.py --torch-index "$(TORCH_INDEX)"

clean:
	rm -rf $(VENV) $(WIDGETS7) build docs/generated *.egg-info .pytest_cache .ruff_cache
