# The two commands of the README are `make demo` and `make test`; the others are their parts.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test build check bench clean

demo: .venv/ready
	@echo "== Building the course from solutions/"
	$(BIN)/python -m autograder build
	@echo "== Grading a fabricated class"
	$(BIN)/python -m autograder demo 02_normalization

test: .venv/ready
	@echo "== Style and types"
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@echo "== Tests"
	$(BIN)/pytest -n 2 --dist worksteal
	@echo "== The solved notebooks, as a teaching assistant runs them"
	$(BIN)/pytest -n 2 --dist loadfile --nbval -p no:cacheprovider source

build: .venv/ready
	$(BIN)/python -m autograder build

check: .venv/ready
	$(BIN)/python -m autograder check

bench: .venv/ready
	$(BIN)/python benchmarks/grading.py

.venv/ready: pyproject.toml requirements.lock
	@echo "== Installing the pinned packages into .venv (a few minutes, about 2 GB)"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[course,test]'
	@touch $@

clean:
	rm -rf .venv demo build *.egg-info
