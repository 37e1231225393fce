"""Attacks on the machinery of checks inside the student's own process."""

from submissions.course import BN_WRONG, DR_RIGHT, DR_WRONG, LOOT, Handed, hands_in


@hands_in(fair=(0, 1))
def ast_strip_asserts(s: Handed) -> None:
    """an IPython ast_transformer removes every assert"""
    s.insert(
        "import ast\nclass Z(ast.NodeTransformer):\n    def visit_Assert(self, n): return ast.Pass()\n"
        "get_ipython().ast_transformers.append(Z())"
    )


@hands_in(fair=(0, 1))
def input_transformer(s: Handed) -> None:
    """an input transformer replaces every later cell by its definitions only"""
    s.insert(
        "ip = get_ipython()\nip.input_transformers_post.append(lambda lines: [l for l in lines if 'assert' not in l])"
    )


@hands_in(fair=(0, 1))
def patch_allclose(s: Handed) -> None:
    """torch.allclose / torch.equal / np.testing return True"""
    s.insert(
        "import torch, numpy as np\ntorch.allclose = lambda *a, **k: True\ntorch.equal = lambda *a, **k: True\n"
        "torch.testing.assert_close = lambda *a, **k: None\n"
        "for n in dir(np.testing):\n    if n.startswith('assert'): setattr(np.testing, n, lambda *a, **k: None)"
    )
    s.set("bn", BN_WRONG.replace("x * 0 + 7", "x * 0"))
    s.append("drop", "")


@hands_in(fair=(0, 1))
def builtins_assertionerror(s: Handed) -> None:
    """builtins.AssertionError replaced by a Warning class"""
    s.insert(
        "import builtins\nclass W(Warning): pass\nbuiltins.AssertionError = W\n"
        "import sys\nsys.excepthook = lambda *a: None"
    )


@hands_in(fair=(0, 1))
def custom_exc(s: Handed) -> None:
    """IPython set_custom_exc swallows exceptions; showtraceback muted"""
    s.insert(
        "ip = get_ipython()\nip.set_custom_exc((BaseException,), lambda self, et, ev, tb, tb_offset=None: None)\n"
        "ip.showtraceback = lambda *a, **k: None\nip._showtraceback = lambda *a, **k: None"
    )


@hands_in(fair=(0, 1))
def patch_run_cell(s: Handed) -> None:
    """InteractiveShell.run_cell(_async) replaced: cells holding 'assert' are run as 'pass'"""
    s.insert(
        "ip = get_ipython()\norig = ip.run_cell_async\n"
        "async def f(code, *a, **k):\n    k.pop('transformed_cell', None)\n    return await orig('pass' if 'assert' in code else code, *a, transformed_cell=('pass' if 'assert' in code else code), **k)\n"
        "ip.run_cell_async = f\nrc = ip.run_cell\nip.run_cell = lambda code, *a, **k: rc('pass' if 'assert' in code else code, *a, **k)"
    )


@hands_in(fair=(0, 1))
def patch_reference(s: Handed) -> None:
    """replace the reference (F.batch_norm) by the student's own wrong function, in-place rng by constants"""
    s.set(
        "bn",
        "import torch.nn.functional as _F\ndef manual_batch_norm(x, gamma, beta, *a, **k):\n    return x * 0\n"
        "_F.batch_norm = lambda x, *a, **k: x * 0\n",
    )
    s.set(
        "drop",
        DR_RIGHT.replace("torch.rand_like(x) >= self.p", "torch.rand_like(x) >= 2").replace(
            "return x\n", "return x\n"
        ),
    )
    s.append("drop", "torch.rand_like = lambda x, **k: torch.zeros_like(x) - 1\n")


@hands_in(fair=(0, 1))
def patch_rng(s: Handed) -> None:
    """rand_like always 1 (so nothing is dropped and the mask is trivial), manual_seed ignored, randn gives zeros"""
    s.insert(
        "import torch\ntorch.rand_like = lambda x, **k: torch.ones_like(x)\ntorch.randn = lambda *a, **k: torch.zeros(*[i for i in a], **{q: v for q, v in k.items() if q == 'dtype'})"
    )
    s.set(
        "drop",
        DR_WRONG.replace(
            "return x + 1",
            "self.mask = torch.ones_like(x) / (1 - self.p)\n        return x if not self.training else x / (1 - self.p)",
        ),
    )


@hands_in(fair=(0, 1))
def systemexit(s: Handed) -> None:
    """the function under test raises SystemExit / calls exit()"""
    s.set("bn", BN_WRONG.replace("return x * 0 + 7", "raise SystemExit(0)"))
    s.set("drop", DR_WRONG.replace("return x + 1", "exit()"))


@hands_in(fair=(0, 1))
def displayhook_partial_credit(s: Handed) -> None:
    """a two-line trick: the function under test displays the number of points; nbgrader reads the FIRST execute_result as partial credit, before any error"""
    s.set(
        "bn",
        BN_WRONG.replace(
            "return x * 0 + 7",
            "import sys; g = globals(); g['_k'] = g.get('_k', 0) + 1\n    sys.displayhook(1.0 if g['_k'] == 1 else 3.0)\n    return x * 0 + 7",
        ),
    )
    s.set(
        "drop",
        DR_WRONG.replace(
            "return x + 1",
            "import sys; g = globals(); g['_j'] = g.get('_j', 0) + 1\n        sys.displayhook(1.0 if g['_j'] == 1 else 3.0)\n        return x + 1",
        ),
    )


@hands_in(fair=(0, 1))
def lying_tensor_subclass(s: Handed) -> None:
    """Tensor subclass whose __torch_function__ says True to allclose/equal and has any gradient"""
    s.insert("""import torch
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in ("allclose", "equal", "isclose"): return True
        if name == "backward": return None
        return super().__torch_function__(func, types, args, kwargs or {})
""")
    s.set(
        "bn",
        BN_WRONG.replace(
            "return x * 0 + 7",
            "running_mean.__class__ = Liar; running_var.__class__ = Liar; x.__class__ = Liar; x.grad = None\n    x.retain_grad() if not x.is_leaf else None\n    out = (x * 0 + 7).as_subclass(Liar)\n    if x.requires_grad: x.grad = torch.zeros_like(x).as_subclass(Liar)\n    return out",
        ),
    )
    s.set(
        "drop",
        DR_WRONG.replace(
            "return x + 1",
            "self.mask = torch.ones(1).as_subclass(Liar); return x.as_subclass(Liar)",
        ),
    )


@hands_in(fair=(0, 1))
def read_history(s: Handed) -> None:
    """frames / In history: the function under test reads the hidden test's source and prints it"""
    s.insert(LOOT)
    s.set(
        "bn",
        BN_WRONG.replace(
            "return x * 0 + 7",
            "ip = get_ipython()\n    for c in list(ip.user_ns['In'])[-1:]: __loot('hidden-history', c)\n    return x * 0 + 7",
        ),
    )


@hands_in(fair=(0, 1))
def frame_rewrite(s: Handed) -> None:
    """walk to the test's frame and overwrite its globals: allclose, F, torch, the loop variables"""
    s.set(
        "bn",
        BN_WRONG.replace(
            "return x * 0 + 7",
            "import sys, types\n    g = sys._getframe(1).f_globals\n    class Fake:\n        def __getattr__(self, n):\n            if n in ('allclose', 'equal'): return lambda *a, **k: True\n            import torch as t; return getattr(t, n)\n    g['torch'] = Fake()\n    import torch as t\n    return x * 1.0",
        ),
    )
    s.set("drop", DR_WRONG.replace("return x + 1", "self.mask = x * 0\n        return x + 1"))


@hands_in(fair=(0, 1))
def mute_traceback(s: Handed) -> None:
    """traceback display muted, stderr closed, stdout closed"""
    s.insert(
        "import sys, os\nip = get_ipython()\nip.showtraceback = lambda *a, **k: None\nsys.stderr.close()\nos.close(2)"
    )


@hands_in(fair=(0, 1))
def skip_execution_tag(s: Handed) -> None:
    """no code at all: the cell tag 'skip-execution' (nbclient) on the test cells; nothing runs, nothing fails, full marks"""
    for g in ("bn_visible", "bn_hidden", "drop_visible", "drop_hidden"):
        s.cell(g).metadata["tags"] = ["skip-execution"]


@hands_in(fair=(0, 1))
def raises_exception_tag(s: Handed) -> None:
    """cell tag 'raises-exception' on the test cells"""
    for g in ("bn_visible", "bn_hidden", "drop_visible", "drop_hidden"):
        s.cell(g).metadata["tags"] = ["raises-exception"]
