"""The judge gives honest work what the same cells give it in a kernel, and "
"nothing else anything."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.authoring import reference
from autograder.authoring.course import bound, read_exercise
from autograder.authoring.notebook import render, solved
from autograder.results import Result
from autograder.sealed import Step, Verdict, shown
from autograder.sealed.pool import Pool

SETUP = "import torch, numpy as np, torch.nn as nn, torch.nn.functional as F, inspect"
PASS, FAIL, PERSON = True, False, None
FILES = sorted((Path(__file__).parent.parent / "solutions").glob("*/*.py"))


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(workers=1) as started:  # with time enough for a busy machine
        yield started


def notebook(solution: str, check: str, points: int = 2, right: str = "") -> list[Step]:
    right = right or solution
    defines = tuple(bound(ast.parse(right).body))
    return [
        Step("setup", "given", SETUP),
        Step("answer", "solution", solution, defines=defines, reference=right),
        Step("check", "check", check, points, "it is right"),
    ]


def outcome(pool: Pool, solution: str, check: str, right: str = "") -> Result:
    verdict = pool.judge(notebook(solution, check, right=right), salt=11)
    return verdict.results[0]


# Styles of check: the name, the solution, the check, what has to come of it through the judge.
STYLES = [
    (
        "a pure function and allclose",
        "def relu(x): return x.clamp(min=0)",
        "x = torch.randn(5, 5)\nassert torch.allclose(relu(x), F.relu(x))",
        PASS,
    ),
    (
        "arrays in, arrays out",
        "def softmax(a):\n    e = np.exp(a - a.max(-1, keepdims=True))\n"
        "    return e / e.sum(-1, keepdims=True)",
        "a = np.random.randn(4, 3)\nnp.testing.assert_allclose(softmax(a).sum(-1), 1)\n"
        "assert softmax(a).dtype == np.float64",
        PASS,
    ),
    (
        "answers that are values",
        "answer = 42\nnames = ['a', 'b']",
        "assert answer == 42 and names[1] == 'b' and len(names) == 2",
        PASS,
    ),
    (
        "gradcheck",
        "def swish(x): return x * torch.sigmoid(x)",
        "x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)\n"
        "assert torch.autograd.gradcheck(swish, (x,))",
        PASS,
    ),
    (
        "backward through operations of both sides",
        "def lin(x, w): return x @ w",
        "x = torch.randn(3, 4); w = torch.randn(4, 2, requires_grad=True)\n"
        "(lin(x, w) ** 2).sum().backward()\n"
        "w2 = w.detach().clone().requires_grad_(); ((x @ w2) ** 2).sum().backward()\n"
        "assert torch.allclose(w.grad, w2.grad)",
        PASS,
    ),
    (
        "a buffer changed in place",
        "def ema(buf, x, m=0.1): buf.mul_(1 - m).add_(m * x)",
        "b = torch.ones(3)\nema(b, torch.zeros(3))\n"
        "assert torch.allclose(b, torch.full((3,), 0.9))",
        PASS,
    ),
    (
        "a class, its attributes, train and eval",
        "class Drop(nn.Module):\n    def __init__(self, p=0.5): super().__init__(); self.p = p\n"
        "    def forward(self, x):\n        if not self.training: return x\n"
        "        return x * (torch.rand_like(x) > self.p) / (1 - self.p)",
        "d = Drop(0.3)\nassert isinstance(d, nn.Module) and d.p == 0.3 and d.training\n"
        "d.eval(); x = torch.ones(10); assert torch.equal(d(x), x)\n"
        "d.train(); torch.manual_seed(3); a = d(x)\n"
        "torch.manual_seed(3); b = x * (torch.rand_like(x) > 0.3) / 0.7\n"
        "assert torch.allclose(a, b)",
        PASS,
    ),
    (
        "two draws without a new seed differ",
        "def noise(n): return torch.randn(n)",
        "torch.manual_seed(0); a, b = noise(5), noise(5)\nassert not torch.equal(a, b)\n"
        "torch.manual_seed(0); assert torch.equal(noise(5), a)",
        PASS,
    ),
    (
        "a module's parameters and their gradients",
        "class Net(nn.Module):\n"
        "    def __init__(self): super().__init__(); self.fc = nn.Linear(4, 2)\n"
        "    def forward(self, x): return self.fc(x)",
        "net = Net(); x = torch.randn(3, 4)\nout = net(x); assert out.shape == (3, 2)\n"
        "out.sum().backward()\nassert sum(p.numel() for p in net.parameters()) == 10\n"
        "assert torch.allclose(net.fc.weight.grad, x.sum(0).expand(2, 4))\n"
        "assert set(net.state_dict()) == {'fc.weight', 'fc.bias'}",
        PASS,
    ),
    (
        "reference weights loaded and compared",
        "class Net(nn.Module):\n"
        "    def __init__(self): super().__init__(); self.fc = nn.Linear(4, 2)\n"
        "    def forward(self, x): return torch.relu(self.fc(x))",
        "ref = nn.Linear(4, 2); net = Net()\n"
        "net.load_state_dict({'fc.weight': ref.weight.detach(), 'fc.bias': ref.bias.detach()})\n"
        "x = torch.randn(3, 4); assert torch.allclose(net(x), torch.relu(ref(x)))",
        PASS,
    ),
    (
        "an expected exception",
        "def safe_log(x):\n    if (x <= 0).any(): raise ValueError('x must be positive')\n"
        "    return x.log()",
        "try: safe_log(torch.tensor([-1.0])); raise AssertionError('no error')\n"
        "except ValueError as e: assert 'positive' in str(e)",
        PASS,
    ),
    (
        "nested results",
        "def stats(x): return {'mean': x.mean(), 'parts': (x.min(), x.max()), 'n': x.numel()}",
        "x = torch.randn(7); s = stats(x)\nassert torch.isclose(s['mean'], x.mean())\n"
        "assert torch.equal(s['parts'][1], x.max()) and s['n'] == 7",
        PASS,
    ),
    (
        "a last value that is a part of the points goes to a person",
        "def f(x): return x + 1",
        "score = 0\nif f(1) == 2: score += 1\nif f(2) == 4: score += 1\nscore",
        PERSON,
    ),
    (
        "a training loop",
        "def fit(x, y, steps=50):\n"
        "    w = torch.zeros(x.shape[1], requires_grad=True); losses = []\n"
        "    for _ in range(steps):\n        loss = ((x @ w - y) ** 2).mean(); loss.backward()\n"
        "        with torch.no_grad(): w -= 0.1 * w.grad; w.grad = None\n"
        "        losses.append(loss.item())\n    return w.detach(), losses",
        "torch.manual_seed(1); x = torch.randn(64, 3); y = x @ torch.tensor([1., -2., 3.])\n"
        "w, losses = fit(x, y); assert losses[-1] < 0.05 * losses[0] and len(losses) == 50",
        PASS,
    ),
    (
        "a data set with a length and items",
        "class DS:\n    def __init__(self, n): self.x = torch.arange(n).float()\n"
        "    def __len__(self): return len(self.x)\n"
        "    def __getitem__(self, i): return self.x[i], self.x[i] ** 2",
        "ds = DS(5); assert len(ds) == 5 and ds[3][1] == 9\n"
        "assert [float(b) for a, b in [ds[i] for i in range(len(ds))]] == [0, 1, 4, 9, 16]",
        PASS,
    ),
    (
        "a function of the check's is no data",
        "def apply_n(f, x, n):\n    for _ in range(n): x = f(x)\n    return x",
        "assert apply_n(lambda v: v * 2, 1.0, 3) == 8.0",
        PERSON,
    ),
    (
        "the same in a probe",
        "def apply_n(f, x, n):\n    for _ in range(n): x = f(x)\n    return x",
        "from autograder import student_side\n@student_side\n"
        "def p(x, n): return apply_n(lambda v: v * 2, x, n)\nassert p(1.0, 3) == 8.0",
        PASS,
    ),
    (
        "a function of a library's crosses by its name",
        "def apply_n(f, x, n):\n    for _ in range(n): x = f(x)\n    return x",
        "x = torch.randn(4)\nassert torch.equal(apply_n(F.relu, x, 2), x.relu())",
        PASS,
    ),
    (
        "a hook cannot cross",
        "class Net(nn.Module):\n"
        "    def __init__(self): super().__init__(); self.fc = nn.Linear(4, 2)\n"
        "    def forward(self, x): return self.fc(x)",
        "seen = []; net = Net()\n"
        "net.fc.register_forward_hook(lambda m, i, o: seen.append(o))\n"
        "net(torch.randn(1, 4)); assert len(seen) == 1",
        PERSON,
    ),
    (
        "a hook in a probe",
        "class Net(nn.Module):\n"
        "    def __init__(self): super().__init__(); self.fc = nn.Linear(4, 2)\n"
        "    def forward(self, x): return self.fc(x)",
        "from autograder import student_side\n@student_side\ndef p(x):\n"
        "    seen = []; net = Net()\n"
        "    net.fc.register_forward_hook(lambda m, i, o: seen.append(o.detach()))\n"
        "    net(x); return seen\nassert len(p(torch.randn(1, 4))) == 1",
        PASS,
    ),
    (
        "an optimizer that keeps the check's tensors",
        "class SGD:\n    def __init__(self, params, lr): self.params, self.lr = list(params), lr\n"
        "    def step(self):\n        with torch.no_grad():\n"
        "            for p in self.params: p -= self.lr * p.grad",
        "w = torch.ones(2, requires_grad=True); opt = SGD([w], 0.1); w.sum().backward()\n"
        "opt.step()\nassert torch.allclose(w, torch.full((2,), 0.9))",
        FAIL,
    ),
    (
        "an optimizer in a probe",
        "class SGD:\n    def __init__(self, params, lr): self.params, self.lr = list(params), lr\n"
        "    def step(self):\n        with torch.no_grad():\n"
        "            for p in self.params: p -= self.lr * p.grad",
        "from autograder import student_side\n@student_side\ndef p(w0, lr):\n"
        "    w = w0.clone().requires_grad_(); opt = SGD([w], lr); w.sum().backward(); opt.step()\n"
        "    return w.detach()\n"
        "assert torch.allclose(p(torch.ones(2), 0.1), torch.full((2,), 0.9))",
        PASS,
    ),
    (
        "torch's optimizer on parameters that live elsewhere",
        "class Net(nn.Module):\n"
        "    def __init__(self): super().__init__(); self.fc = nn.Linear(2, 1)\n"
        "    def forward(self, x): return self.fc(x)",
        "net = Net(); before = net.fc.weight.clone()\n"
        "opt = torch.optim.SGD(net.parameters(), lr=0.1); net(torch.ones(1, 2)).sum().backward()\n"
        "opt.step()\nassert not torch.equal(before, net.fc.weight)",
        FAIL,
    ),
    (
        "the source of a function",
        "def f(x): return x.sum()",
        "src = inspect.getsource(f); assert 'for' not in src",
        FAIL,
    ),
    (
        "a gradient of a gradient",
        "def cube(x): return x ** 3",
        "x = torch.tensor(2.0, requires_grad=True)\n"
        "g, = torch.autograd.grad(cube(x), x, create_graph=True)\n"
        "h, = torch.autograd.grad(g, x, create_graph=True); assert h == 12\n"
        "t, = torch.autograd.grad(h, x); assert t == 6",
        PASS,
    ),
    (
        "a name of the student's set by the check",
        "rate = 0.1\ndef step(w): return w - rate",
        "rate = 0.5\nassert step(1.0) == 0.5",
        FAIL,
    ),
    (
        "the truth of an object",
        "class R: pass\ndef check(x): return R()",
        "assert check(1)",
        FAIL,
    ),
    (
        "arithmetic of the student's own class",
        "class Value:\n    def __init__(self, data): self.data = data\n"
        "    def __add__(self, other): return Value(self.data + other.data)",
        "c = Value(2.0) + Value(3.0)\nassert c.data == 5.0",
        PASS,
    ),
    (
        "a generator that is drawn from",
        "def noise(n, generator): return torch.randn(n, generator=generator)",
        "g = torch.Generator(); g.manual_seed(4)\na, b = noise(3, g), noise(3, g)\n"
        "g.manual_seed(4)\n"
        "assert not torch.equal(a, b) and torch.equal(torch.randn(3, generator=g), a)\n"
        "assert torch.equal(torch.randn(3, generator=g), b)",
        PASS,
    ),
    (
        "draws of the student and of the check in turn",
        "def noise(n): return torch.randn(n)",
        "torch.manual_seed(1); got = [(noise(2), torch.randn(2)) for _ in range(3)]\n"
        "torch.manual_seed(1); wanted = [(torch.randn(2), torch.randn(2)) for _ in range(3)]\n"
        "for g, w in zip(got, wanted):\n    assert torch.equal(g[0], w[0])\n"
        "    assert torch.equal(g[1], w[1])",
        PASS,
    ),
    (
        "a list that is filled",
        "def note(log, x): log.append(x)",
        "log = []\nnote(log, 1); note(log, 2)\nassert log == [1, 2]",
        PASS,
    ),
    (
        "the argument itself comes back",
        "def same(x): return x",
        "x = torch.randn(3)\nassert same(x) is x",
        PASS,
    ),
    (
        "a transposed argument stays transposed",
        "def flat(x): return x.view(-1)",
        "try: flat(torch.randn(3, 2).t()); raise AssertionError('a view')\n"
        "except RuntimeError: pass",
        PASS,
    ),
]


@pytest.mark.parametrize(
    ("solution", "check", "wanted"), [s[1:] for s in STYLES], ids=[s[0] for s in STYLES]
)
def test_a_style_of_check_comes_out_as_it_should(
    pool: Pool, solution: str, check: str, wanted: bool | None
) -> None:
    verdict = pool.judge(notebook(solution, check), salt=11)
    assert verdict.results[0].passed is wanted, (verdict.results[0].message, verdict.problems)


def steps_of(exercise_notebook: object, attempt: reference.Attempt) -> list[Step]:
    """The steps of a notebook that holds an attempt."""
    steps = []
    for cell in exercise_notebook.cells:  # type: ignore[attr-defined]
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code":
            continue
        if marks.get("grade"):
            aspect = reference.aspect_of(cell)
            steps.append(Step(cell.id, "check", cell.source, marks["points"], aspect))
        elif marks.get("solution"):
            right = solved(cell.source)
            source = (attempt.sources or {}).get(cell.id, right)
            defines = tuple(dict.fromkeys(bound(ast.parse(right).body)))
            steps.append(Step(cell.id, "solution", source, defines=defines, reference=right))
        else:
            steps.append(Step(cell.id, "given" if marks else "extra", cell.source))
    return steps


# Read in the test, so that a file that cannot be read fails by itself.
@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_attempt_is_judged_as_in_one_process(pool: Pool, path: Path) -> None:
    """What comes out in one process is a promise of each attempt, and tested as that.

    A mistake is judged by the aspects that it fails: references pass the others sealed.
    """
    exercise = read_exercise(path)
    rendered = render(exercise)
    for attempt in reference.attempts(exercise, rendered):
        part = reference.question(rendered, attempt) if attempt.told else rendered
        steps = steps_of(part, attempt)
        if attempt.kind == "mistake":
            steps = [s for s in steps if not s.points or s.aspect in attempt.fails]
        got = pool.judge(steps, salt=3, forbid=exercise.forbid)
        assert not got.problems, attempt
        for result in got.results:
            wanted = result.aspect not in attempt.fails and attempt.kind != "stub"
            if result.points:
                assert bool(result.passed) == wanted, f"{attempt}: {result.message}"
            if attempt.kind == "stub":
                assert result.passed or "ttempted" in result.message


# What does not earn anything. The check is honest, and so is the right solution.
DOUBLE = "def double(x): return 2 * x"
CHECK_DOUBLE = (
    "torch.manual_seed(2)\nx = torch.randn(4)\nwanted = 2 * x\n"
    "assert torch.equal(double(x), wanted)\nassert torch.equal(wanted, 2 * x)"
)
CHEATS = {
    "patches what compares": (
        "def double(x): return x\ntorch.equal = torch.allclose = lambda *a: True"
    ),
    "walks to the frame of the check": (
        "def double(x):\n    import sys\n    f = sys._getframe()\n"
        "    while f:\n"
        "        f.f_globals['wanted'] = x; f.f_globals['torch'] = None; f = f.f_back\n"
        "    return x"
    ),
    "hands in an object that is equal to everything": (
        "class Yes:\n    def __eq__(self, o): return True\n    def __sub__(self, o): return 0.0\n"
        "    def equal(self, o): return True\ndef double(x): return Yes()"
    ),
    "hands in a tensor that lies": (
        "class Liar(torch.Tensor):\n    @classmethod\n"
        "    def __torch_function__(cls, f, types, args=(), kwargs=None): return True\n"
        "def double(x): return x.as_subclass(Liar)"
    ),
    "empties the argument and agrees with it": "def double(x): x.zero_(); return x",
    "raises what ends loops": "def double(x): raise StopIteration",
    "exits": "def double(x): raise SystemExit(0)",
    "ends its process": "import os\ndef double(x): os._exit(0)",
    "knows the seed": (
        "torch.manual_seed(2); known = 2 * torch.randn(4)\ndef double(x): return known"
    ),
    "sets the seed of the check": (
        "def double(x):\n    torch.manual_seed(0); torch.manual_seed = lambda s: None\n    return x"
    ),
}


@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS.keys())
def test_a_cheat_earns_nothing(pool: Pool, cheat: str) -> None:
    assert outcome(pool, cheat, CHECK_DOUBLE, DOUBLE).passed is False


@pytest.mark.parametrize(
    "check",
    [
        "assert double(torch.ones(2)) == 2 * torch.ones(2)",
        "assert double(torch.ones(2)).equal(2 * torch.ones(2))",
        "assert (double(torch.ones(2)) - 2 * torch.ones(2)) == 0.0",
        "assert abs(double(3.0) - 6.0) < 1e-6",
        "for got in map(double, [torch.ones(2)]): assert got.equal(2 * torch.ones(2))",
    ],
)
@pytest.mark.parametrize(
    "cheat",
    [CHEATS["hands in an object that is equal to everything"], CHEATS["raises what ends loops"]],
)
def test_no_object_decides_a_comparison(pool: Pool, check: str, cheat: str) -> None:
    assert outcome(pool, cheat, check, DOUBLE).passed is False


def test_a_change_that_the_reference_does_not_make_fails_unchanged(pool: Pool) -> None:
    check = (
        "from autograder import expect\nx = torch.randn(3)\n"
        "with expect.unchanged(x=x, when='doubling'): double(x)"
    )
    assert outcome(pool, "def double(x): x *= 2; return x", check, DOUBLE).passed is False
    assert outcome(pool, DOUBLE, check).passed is True


def test_a_change_that_the_check_does_not_mind_costs_nothing(pool: Pool) -> None:
    check = "x = torch.ones(3)\nassert torch.equal(double(x), torch.full((3,), 2.0))"
    assert outcome(pool, "def double(x): x *= 2; return x", check, DOUBLE).passed is True


def test_the_answer_of_the_reference_is_not_sent_to_an_object(pool: Pool) -> None:
    cheat = (
        "class Spy:\n    def __getattr__(self, name): return lambda *a: SEEN.append(a) or True\n"
        "SEEN = []\ndef double(x): return Spy()"
    )
    steps = notebook(cheat, "assert double(3.0).equal(torch.tensor(6.0))", right=DOUBLE)
    steps.append(Step("look", "extra", "print(SEEN)"))
    verdict = pool.judge(steps, salt=1)
    assert verdict.results[0].passed is False
    assert verdict.outputs["look"][0]["text"] == "[]\n"


def test_the_check_is_not_to_be_found_in_the_process(pool: Pool) -> None:
    look = (
        "def double(x):\n    import gc\n    global found\n"
        "    found = [s for s in gc.get_objects() if isinstance(s, dict) and 'CANARY' in "
        "str(s.keys())]\n"
        "    return 2 * x"
    )
    steps = notebook(look, "CANARY = 1\nassert double(1) == 2", right=DOUBLE)
    steps.append(Step("look", "extra", "print(len(found), get_ipython().user_ns.get('In'))"))
    text = pool.judge(steps, salt=1).outputs["look"][0]["text"]
    assert text.startswith("0 ")
    assert "CANARY = " not in text


def test_a_dead_process_costs_only_what_killed_it(pool: Pool) -> None:
    solution = "import os\ndef f(x): os._exit(3)\ndef g(x): return x + 1"
    steps = notebook(
        solution, "assert f(1) == 1", right="def f(x): return x\ndef g(x): return x + 1"
    )
    steps.append(Step("other", "check", "assert g(1) == 2", 1, "g adds one"))
    first, second = pool.judge(steps, salt=0).results
    assert first.passed is False
    assert "ended itself with exit code 3" in first.message
    assert second.passed is True


def test_a_process_that_dies_late_costs_the_next_check_nothing(pool: Pool) -> None:
    solution = (
        "import os, threading\ndef f(x):\n    threading.Timer(0.2, os._exit, (1,)).start()\n"
        "    return x\ndef g(x): return x + 1"
    )
    steps = notebook(solution, "assert f(1) == 1")
    wait = "import time; time.sleep(0.5)\nassert g(1) == 2"
    steps += [Step("other", "check", wait, 1, "g adds one"), Step("last", "extra", "print(g(2))")]
    verdict = pool.judge(steps, salt=0)
    assert [r.passed for r in verdict.results] == [True, True]
    assert verdict.outputs["last"][0]["text"] == "3\n"


def test_a_cell_that_kills_the_process_is_named(pool: Pool) -> None:
    steps = [
        Step("boom", "extra", "import ctypes; ctypes.string_at(0)"),
        *notebook(DOUBLE, CHECK_DOUBLE),
    ]
    verdict = pool.judge(steps, salt=0)
    assert verdict.results[0].passed is True
    assert "SIGSEGV" in verdict.outputs["boom"][0]["evalue"]
    assert any("SIGSEGV" in problem for problem in verdict.problems)


def test_an_error_in_the_solution_cell_is_what_the_student_reads(pool: Pool) -> None:
    result = outcome(pool, "def double(x) return x", CHECK_DOUBLE, DOUBLE)
    assert "SyntaxError" in result.message
    result = outcome(
        pool, "def double(x): raise NotImplementedError('later')", CHECK_DOUBLE, DOUBLE
    )
    assert result.message == "Not attempted yet: later"
    result = outcome(pool, "def double(x): raise KeyError('k')", CHECK_DOUBLE, DOUBLE)
    assert result.message == "The code stopped with KeyError: 'k'"


def test_outputs_are_kept_and_inactive(pool: Pool) -> None:
    cells = {
        "text": "print('hello'); 1 + 1",
        "script": "from IPython.display import HTML\nHTML('<script>alert(1)</script>')",
        "plot": "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()",
        "error": "1 / 0",
        "flood": "print('x' * 10**7)",
        "magic": "%matplotlib inline\n!echo out",
    }
    verdict = pool.judge([Step(k, "extra", v) for k, v in cells.items()], salt=0)
    assert verdict.outputs["text"][0]["text"] == "hello\n"
    assert verdict.outputs["text"][1]["data"] == {"text/plain": "2"}
    assert list(verdict.outputs["script"][0]["data"]) == ["text/plain"]
    assert any("image/png" in o.get("data", {}) for o in verdict.outputs["plot"])
    assert verdict.outputs["error"][0]["ename"] == "ZeroDivisionError"
    assert len(verdict.outputs["flood"][0]["text"]) < 200_000
    assert "out" in verdict.outputs["magic"][0]["text"]


def test_what_a_notebook_shows_has_an_end(pool: Pool) -> None:
    show = "for _ in range(50): display(' ' * 99_000)\nprint('done')"
    verdict = pool.judge([Step(f"cell-{n}", "extra", show) for n in range(8)], salt=0)
    assert shown.size_of(verdict.outputs["cell-0"]) > 4_000_000
    assert sum(map(shown.size_of, verdict.outputs.values())) < shown.ROOM + 10_000
    assert "left out" in verdict.outputs["cell-7"][-1]["text"]


def test_a_probe_brings_back_no_object(pool: Pool) -> None:
    """It would be asked whether it holds the wanted value."""
    check = (
        "from autograder import student_side\n@student_side\ndef p(): return both()\n"
        "assert 3 in p()"
    )
    says_yes = "class Yes:\n    def __contains__(self, x): return True\ndef both(): return Yes()"
    result = outcome(pool, says_yes, check, "def both(): return [3, 4]")
    assert result.passed is False
    assert "object where a value belongs" in result.message
    assert outcome(pool, "def both(): return [3, 4]", check).passed is True


def test_a_figure_comes_as_its_description(pool: Pool) -> None:
    solution = (
        "import matplotlib.pyplot as plt\ndef draw(x, y):\n    fig, ax = plt.subplots()\n"
        "    ax.plot(x, y); ax.set(xlabel='x', ylabel='y', title='t')\n    return fig"
    )
    check = (
        "from autograder import expect\n"
        "expect.figure(draw([1, 2], [3, 4]), lines=[([1, 2], [3, 4])], when='drawing')"
    )
    assert outcome(pool, solution, check).passed is True


def test_what_is_forbidden_fails_and_is_reported(pool: Pool) -> None:
    cheat = "def norm(x): return F.batch_norm(x, None, None, training=True)"
    right = "def norm(x): return (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()"
    check = (
        "x = torch.randn(5, 2)\n"
        "assert torch.allclose(norm(x), F.batch_norm(x, None, None, training=True), atol=1e-5)"
    )
    verdict = pool.judge(notebook(cheat, check, right=right), salt=0, forbid=["batch_norm"])
    assert verdict.results[0].passed is False
    assert "do without" in verdict.results[0].message
    assert "uses F.batch_norm" in verdict.problems[0]
    hidden = (
        "def norm(x): return getattr(torch, 'batch' + '_norm')(x, None, None, None, "
        "None, True, 0.1, 1e-5, False)"
    )
    verdict = pool.judge(notebook(hidden, check, right=right), salt=0, forbid=["batch_norm"])
    assert verdict.results[0].passed is False
    assert "`batch_norm` may not be used" in verdict.results[0].message
    assert "called what is forbidden: `batch_norm` may not be used" in verdict.problems[0]
    compares = f"F.batch_norm(torch.randn(4, 2), None, None, training=True)\n{right}"
    verdict = pool.judge(notebook(compares, check, right=right), salt=0, forbid=["batch_norm"])
    assert verdict.results[0].passed is True
    verdict = pool.judge(notebook(right, check), salt=0, forbid=["batch_norm"])
    assert verdict.results[0].passed is True
    assert not verdict.problems


SEEDED = {
    "a generator of torch's": "torch.randn(4, generator=torch.Generator().manual_seed(3))",
    "a generator of NumPy's": "torch.tensor(np.random.default_rng(3).normal(size=4))",
    "an old generator of NumPy's": "torch.tensor(np.random.RandomState(3).normal(size=4))",
    "a generator of Python's": "torch.tensor([__import__('random').Random(3).random()])",
}


@pytest.mark.parametrize("drawn", SEEDED.values(), ids=SEEDED)
def test_no_seed_of_a_check_can_be_foreseen(pool: Pool, drawn: str) -> None:
    check = f"x = {drawn}\nassert torch.equal(double(x), 2 * x)"
    cheat = f"known = 2 * ({drawn})\ndef double(x): return known"
    assert outcome(pool, cheat, check, DOUBLE).passed is False
    assert outcome(pool, DOUBLE, check).passed is True


WAYS = {
    "a module": "nn.BatchNorm1d(2, affine=False)(x)",
    "an operator": "torch.ops.aten.native_batch_norm(x, *[None] * 4, True, 0.1, 1e-5)[0]",
    "getattr": "getattr(F, 'batch_norm')(x, None, None, training=True)",
    "importlib": (
        "__import__('importlib').import_module('torch.nn.functional')"
        ".batch_norm(x, None, None, training=True)"
    ),
    "a helper of another cell": "helper(x)",
    "a text put together": "vars(F)['batch' + '_norm'](x, None, None, training=True)",
    "a thread": (
        "__import__('concurrent.futures').futures.ThreadPoolExecutor()"
        ".submit(vars(F)['batch' + '_norm'], x, None, None, training=True).result()"
    ),
    "another norm": "F.instance_norm(x.T[None])[0].T",
    "caught and tried again": "retried(x)",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_no_way_to_a_forbidden_built_in_earns_points(pool: Pool, way: str) -> None:
    right = "def norm(x): return (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()"
    check = (
        "x = torch.randn(5, 2)\n"
        "assert torch.allclose(norm(x), F.batch_norm(x, None, None, training=True), atol=1e-5)"
    )
    helpers = (
        "def helper(x): return F.batch_norm(x, None, None, training=True)\n"
        "def retried(x):\n    for _ in range(3):\n        try: return helper(x)\n"
        "        except Exception: pass"
    )
    steps = notebook(f"def norm(x): return {way}", check, right=right)
    steps.insert(1, Step("helpers", "extra", helpers))
    verdict = pool.judge(steps, salt=0, forbid=["batch_norm"])
    assert verdict.results[0].passed is False
    assert "this exercise" in verdict.results[0].message
    assert verdict.problems


def test_files_lie_beside_the_notebook(pool: Pool) -> None:
    steps = [Step("read", "extra", "print(open('data/a.txt').read())")]
    verdict = pool.judge(steps, salt=0, files={"data/a.txt": b"numbers", "../up.txt": b"no"})
    assert verdict.outputs["read"][0]["text"] == "numbers\n"
    assert len(verdict.problems) == 1


def test_two_runs_give_the_same_verdict(pool: Pool) -> None:
    steps = [
        *notebook("def noise(n): return torch.randn(n)", "assert noise(3).shape == (3,)"),
        Step("draw", "extra", "import random\nprint(torch.rand(1), random.random(), hash('a'))"),
    ]

    def comparable(verdict: Verdict) -> object:
        return verdict.results, verdict.outputs, verdict.problems

    assert comparable(pool.judge(steps, salt=5)) == comparable(pool.judge(steps, salt=5))
