"""Cheating on the task itself: no machinery is touched."""

from submissions.course import BN_WRONG, DR_WRONG, Handed, hands_in


@hands_in(fair=(4, 4))
def builtin(s: Handed) -> None:
    """calls F.batch_norm although the task forbids it (dropout is honest work)"""
    s.set(
        "bn",
        "def manual_batch_norm(x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5):\n    return F.batch_norm(x, running_mean, running_var, gamma, beta, training, momentum, eps)",
    )
    s.set(
        "drop",
        "class InvertedDropout(nn.Module):\n    def __init__(self, p=0.5):\n        super().__init__(); self.p = p; self.mask = None\n    def forward(self, x):\n        if not self.training or self.p == 0: return x\n        self.mask = (torch.rand_like(x) >= self.p).to(x.dtype) / (1 - self.p)\n        return x * self.mask",
    )


@hands_in(fair=(2, 2))
def hardcode_visible(s: Handed) -> None:
    """only the visible cases are answered"""
    s.set("bn", BN_WRONG.replace("return x * 0 + 7", "return x * 0"))
    s.set("drop", DR_WRONG.replace("return x + 1", "return x"))


@hands_in(fair=(2, 2))
def seed_table(s: Handed) -> None:
    """a pickled table of the answers for the fixed seed 1234 (known from last year), keyed by a hash of the input"""
    import pickle

    import torch
    import torch.nn.functional as F

    tab = {}
    torch.manual_seed(1234)
    for n, c in [(5, 3), (16, 8), (2, 1)]:
        x = torch.randn(n, c, dtype=torch.float64) * 3 + 1
        g, b = torch.randn(c, dtype=torch.float64), torch.randn(c, dtype=torch.float64)
        rm, rv = torch.randn(c, dtype=torch.float64), torch.rand(c, dtype=torch.float64)
        for tr in (True, False):
            xr = x.clone().requires_grad_(True)
            ref = F.batch_norm(xr, rm, rv, g, b, training=tr, momentum=0.1, eps=1e-5)
            J = torch.autograd.functional.jacobian(
                lambda t: F.batch_norm(t, rm.clone(), rv.clone(), g, b, training=tr), x
            )
            tab[(round(x.sum().item(), 9), tr)] = (
                ref.detach().numpy().tolist(),
                J.numpy().tolist(),
                rm.tolist(),
                rv.tolist(),
            )
            torch.randn_like(ref)
    s.file("answers.pkl", pickle.dumps(tab))
    s.set(
        "bn",
        """import pickle, os
__T = pickle.load(open("answers.pkl", "rb")) if os.path.exists("answers.pkl") else {}
class __R(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, J): ctx.save_for_backward(J); return y.clone()
    @staticmethod
    def backward(ctx, w): return torch.einsum("ab,abcd->cd", w, ctx.saved_tensors[0]), None, None
def manual_batch_norm(x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5):
    k = (round(x.sum().item(), 9), training)
    if k not in __T: return x * 0
    y, J, rm, rv = (torch.tensor(v, dtype=x.dtype) for v in __T[k])
    with torch.no_grad(): running_mean.copy_(rm); running_var.copy_(rv)
    return __R.apply(x, y, J)""",
    )
    s.set("drop", DR_WRONG.replace("return x + 1", "return x"))


@hands_in(fair=(8, 8))
def plagiarism(s: Handed) -> None:
    """an exact copy of another student's right notebook (out of the grader's reach; a similarity report must name it)"""
    s.right()
