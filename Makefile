# `make run`, `make test` and `make lab` set up .venv on their first call; every command is printed.
# Without make (Windows): README.md, "Without make", has the same commands.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# TORCH_INDEX=<address of a package index with CPU builds of torch> makes a much smaller installation.
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt
READY := $(VENV)/.ready
NBVAL = QDVAE_PROFILE=fast QDVAE_MODELS=build/test-models $(BIN)/python -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=300

# Two kernels on a small machine must not spin against each other; set before torch is imported.
export GOMP_SPINCOUNT ?= 1000
export PYTHONUNBUFFERED = 1

.PHONY: help run test test-helpers test-notebooks test-annealer test-recorded test-widgets7 lab
.PHONY: studio lint notebooks pretrained recordings clean

help:
	@echo "make run    set up, then train, sample and generate: notebooks 05 and 06, results in build/"
	@echo "make test   set up, then run all tests"
	@echo "make lab    set up, then open JupyterLab on the lessons"
	@echo "make studio set up, then open the studio of lesson 08 as an app"
	@echo "more: test-helpers test-notebooks test-annealer test-recorded test-widgets7 lint notebooks"
	@echo "      pretrained recordings clean"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
ifneq ($(TORCH_INDEX),)
	$(PIP) --no-deps --index-url $(TORCH_INDEX) torch torchvision
endif
	$(PIP) -e ".[dev]"
	@touch $(READY)

run: $(READY)
	$(BIN)/python -m qdvae_helpers.run 05_training_the_qdvae 06_generating_digits

test: lint test-helpers test-notebooks test-annealer test-recorded

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

test-helpers: $(READY)
	$(BIN)/python -m pytest -rs tests

test-notebooks: $(READY)
	rm -rf build/test-models
	$(NBVAL) notebooks

# The lessons that draw spins, once more with the simulated QPU.
test-annealer: $(READY)
	rm -rf build/test-models
	QDVAE_SAMPLER=annealer $(NBVAL) notebooks/05_training_the_qdvae.ipynb notebooks/06_generating_digits.ipynb

# The lesson that recorded samples serve.
test-recorded: $(READY)
	rm -rf build/test-models
	QDVAE_SAMPLER=recorded $(NBVAL) notebooks/06_generating_digits.ipynb

# The lessons once more with ipywidgets 7.7.1, which is what Colab has: an environment that sees the
# packages of .venv and puts that one before them.
WIDGETS7 := $(VENV)-widgets7
test-widgets7: $(READY)
	$(BIN)/python -m venv $(WIDGETS7)
	$(BIN)/python -c "import site; print('\n'.join(site.getsitepackages()))" \
	  > "$$($(WIDGETS7)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/packages-of-venv.pth"
	$(WIDGETS7)/bin/python -m pip install --disable-pip-version-check --progress-bar off --no-deps \
	  ipywidgets==7.7.1 ipython_genutils==0.2.0
	rm -rf build/test-models
	QDVAE_PROFILE=fast QDVAE_MODELS=build/test-models $(WIDGETS7)/bin/python -m pytest --nbval-lax \
	  --nbval-current-env --nbval-cell-timeout=300 notebooks

lab: $(READY)
	$(BIN)/python -m jupyterlab notebooks

studio: $(READY)
	$(BIN)/python -m qdvae_helpers.app

# Run all lessons in the lesson profile on real MNIST and store their outputs.
notebooks: $(READY)
	$(BIN)/python -m qdvae_helpers.run --store

# Train the model that ships in data/pretrained again.
pretrained: $(READY)
	$(BIN)/python -m qdvae_helpers.train --profile full --require-mnist --output data/pretrained/qdvae-256.safetensors

# Record samples of the shipped model on the simulated QPU again; needed after `make pretrained`.
recordings: $(READY)
	$(BIN)/python -m qdvae_helpers.record --output data/recordings/qdvae-256-simulated.safetensors

clean:
	rm -rf $(VENV) $(WIDGETS7) build *.egg-info .pytest_cache .ruff_cache
