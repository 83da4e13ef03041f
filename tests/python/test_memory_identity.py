"""What makes a function another one: its code, what it captured, what it depends on."""

import functools
import subprocess
import sys
import textwrap
import types
import zipfile

import pytest

from cjoblib import Memory
from cjoblib.memory import JobLibCollisionWarning


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "cache", verbose=0)


def make_adder(n):
    def add(x):
        return x + n

    return add


def run(folder, code, *arguments, seed="0"):
    """What a program prints, by words; its errors are this test's."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        cwd=folder,
        env={
            "PYTHONHASHSEED": seed,
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(folder),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


# --- captured values -------------------------------------------------------------------


def test_closures_over_different_values_never_share(memory):
    values = [1, 2.0, "x", (1, 2), [1, 2], [1, 3], {"a": 1}]
    functions = [memory.cache(make_pair(value)) for value in values]
    for _ in range(2):
        assert [f(0) for f in functions] == [(0, value) for value in values]
    assert memory.check().entries == len(values)


def make_pair(value):
    def pair(x):
        return x, value

    return pair


def test_a_captured_variable_that_is_bound_anew(memory):
    n = 1

    @memory.cache
    def add(x):
        return x + n

    assert add(1) == 2
    n = 5
    assert add(1) == 6
    n = 1
    assert add(1) == 2
    assert memory.check().entries == 2


def test_a_state_that_the_function_keeps_is_no_value(memory):
    calls = 0
    seen = []

    @memory.cache
    def count(x):
        nonlocal calls
        calls += 1
        seen.append(x)
        return x

    assert [count(1), count(1), count(2), count(1)] == [1, 1, 2, 1]
    assert (calls, seen) == (2, [1, 2])


def test_captured_functions_count_by_their_code(memory):
    def twice(x):
        return 2 * x

    def thrice(x):
        return 3 * x

    def make(helper):
        def use(x):
            return helper(x)

        return use

    two, three = memory.cache(make(twice)), memory.cache(make(thrice))
    assert [two(1), three(1), two(1), three(1)] == [2, 3, 2, 3]


def test_recursion_through_the_cached_name(memory):
    calls = []

    @memory.cache
    def fib(n):
        calls.append(n)
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(20) == fib(20) == 6765
    assert len(calls) == 21


def test_objects_that_are_brought_along_count_as_they_are_at_the_call(memory):
    class Scale:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, x):
            return self.factor * x

        def times(self, x):
            return self.factor * x

    scale = Scale(2)
    cached = [memory.cache(scale), memory.cache(scale.times)]
    cached.append(memory.cache(functools.partial(Scale.times, scale)))
    assert [f(3) for f in cached] == [6, 6, 6]
    scale.factor = 5
    assert [f(3) for f in cached] == [15, 15, 15]


# --- code ----------------------------------------------------------------------------


def test_code_that_is_put_in_place(memory):
    def f(x):
        return x

    def g(x):
        return -x

    cached = memory.cache(f)
    assert cached(1) == 1
    f.__code__ = g.__code__
    with pytest.warns(JobLibCollisionWarning):
        assert cached(1) == -1
    assert cached(1) == -1


def test_defaults_that_are_put_in_place(memory):
    def f(x, y=1):
        return x + y

    cached = memory.cache(f)
    assert cached(1) == 2
    f.__defaults__ = (5,)
    assert cached(1) == 6


def test_two_functions_of_one_name_never_share(memory):
    def one():
        def f(x):
            return x

        return f

    def two():
        def f(x):
            return -x

        return f

    first, second = one(), two()
    second.__qualname__ = first.__qualname__
    first, second = memory.cache(first), memory.cache(second)
    assert first(1) == 1
    with pytest.warns(JobLibCollisionWarning, match="collision"):
        assert second(1) == -1
    for _ in range(2):
        assert (first(1), second(1)) == (1, -1)


def test_code_without_source(memory):
    def compiled(text):
        space = {}
        exec(text, space)
        space["f"].__module__ = "made.up"
        return space["f"]

    first = memory.cache(compiled("def f(x, y=1): return x + y"))
    alike = memory.cache(compiled("def f(x, y=1):\n    return x + y"))
    assert first(1) == 2
    assert alike.check_call_in_cache(1)
    other = memory.cache(compiled("def f(x, y=1): return x + y + 1"))
    with pytest.warns(JobLibCollisionWarning, match="Cannot detect"):
        assert other(1) == 3


def test_a_function_inside_an_object(memory):
    one = memory.cache(functools.lru_cache(make_pair(1)))
    two = memory.cache(functools.lru_cache(make_pair(2)))
    assert [one(0), two(0), one(0)] == [(0, 1), (0, 2), (0, 1)]


def test_modules_in_an_archive(tmp_path):
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped.py", "def f(x):\n    print('ran')\n    return x + 1\n")
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import zipped
        from cjoblib import Memory
        print(Memory("cache", verbose=0).cache(zipped.f)(1))
    """
    assert run(tmp_path, code, str(archive)) == ["ran", "2"]
    assert run(tmp_path, code, str(archive)) == ["2"]


CELL = """
    import sys
    from cjoblib import Memory
    space = {{"__name__": "__main__"}}
    source = "def f(x):\\n    print('ran')\\n    return x + {add}\\n"
    name = sys.argv[1]
    exec(compile(source, name, "exec"), space)
    print(Memory("cache", verbose=0).cache(space["f"])(1))
"""


def test_a_notebook_cell_is_known_in_another_kernel(tmp_path):
    first, second = "/tmp/ipykernel_111/42.py", "/tmp/ipykernel_2222/42.py"
    assert run(tmp_path, CELL.format(add=1), first, seed="1") == ["ran", "2"]
    assert run(tmp_path, CELL.format(add=1), second, seed="2") == ["2"]
    assert run(tmp_path, CELL.format(add=2), second, seed="2")[-2:] == ["ran", "3"]


# --- what happens on a change --------------------------------------------------------


PROGRAM = """
    import sys
    import changing
    from cjoblib import Memory
    options = eval(sys.argv[1])
    memory = Memory("cache", verbose=0)
    print(memory.cache(changing.f, **options)(2), memory.check().entries)
"""


def changing(folder, body, more=""):
    (folder / "changing.py").write_text(
        f"{more}\ndef f(x):\n    print('ran')\n    return {body}\n"
    )


@pytest.mark.parametrize(
    ("options", "after_edit", "edited_back"),
    [
        ("{}", ["ran", "4", "1"], ["ran", "3", "1"]),
        ("{'on_change': 'keep'}", ["ran", "4", "2"], ["3", "2"]),
        ("{'on_change': 'ignore'}", ["3", "1"], ["3", "1"]),
        ("{'version': 1}", ["3", "1"], ["3", "1"]),
    ],
)
def test_an_edit(tmp_path, options, after_edit, edited_back):
    changing(tmp_path, "x + 1")
    assert run(tmp_path, PROGRAM, options) == ["ran", "3", "1"]
    assert run(tmp_path, PROGRAM, options) == ["3", "1"]
    changing(tmp_path, "x + 2")
    assert run(tmp_path, PROGRAM, options) == after_edit
    changing(tmp_path, "x + 1")
    assert run(tmp_path, PROGRAM, options) == edited_back


def test_ignoring_a_change_serves_what_was_stored_without_it(tmp_path):
    changing(tmp_path, "x + 1")
    assert run(tmp_path, PROGRAM, "{}") == ["ran", "3", "1"]
    changing(tmp_path, "x + 2")
    assert run(tmp_path, PROGRAM, "{'on_change': 'ignore'}") == ["3", "1"]


def test_another_version_is_computed(tmp_path):
    changing(tmp_path, "x + 1")
    assert run(tmp_path, PROGRAM, "{'version': 1}") == ["ran", "3", "1"]
    assert run(tmp_path, PROGRAM, "{'version': 2}") == ["ran", "3", "1"]
    assert run(tmp_path, PROGRAM, "{'version': '2'}") == ["ran", "3", "1"]


def test_lines_before_a_function_are_no_change(tmp_path):
    changing(tmp_path, "x + 1")
    assert run(tmp_path, PROGRAM, "{}") == ["ran", "3", "1"]
    changing(tmp_path, "x + 1", more="\n\nA = 3\n")
    assert run(tmp_path, PROGRAM, "{}") == ["3", "1"]


# --- dependencies --------------------------------------------------------------------


def project(folder, **texts):
    package = folder / "mine"
    package.mkdir(exist_ok=True)
    files = {
        "__init__": "",
        "deep": "FACTOR = 2\ndef deep(x):\n    return FACTOR * x\n",
        "other": "def unused(x):\n    return x\n",
        "near": "from mine import deep\ndef near(x):\n    return deep.deep(x) + 1\n",
        "main": "import json\nfrom mine.near import near\n"
        "def f(x):\n    print('ran')\n    return json.loads(str(near(x)))\n",
    } | texts
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)


TRACKING = """
    import sys
    import mine.main, mine.near, mine.deep, mine.other
    from cjoblib import Memory
    print(Memory("cache", verbose=0).cache(mine.main.f, **eval(sys.argv[1]))(2))
"""

EDITS = {
    "deep": "FACTOR = 2\ndef deep(x):\n    return FACTOR * x + 10\n",
    "constant": "FACTOR = 7\ndef deep(x):\n    return FACTOR * x\n",
}


@pytest.mark.parametrize(("edit", "result"), [("deep", "15"), ("constant", "15")])
def test_the_projects_own_helpers_are_followed(tmp_path, edit, result):
    project(tmp_path)
    assert run(tmp_path, TRACKING, "{'track': 'project'}") == ["ran", "5"]
    assert run(tmp_path, TRACKING, "{'track': 'project'}", seed="7") == ["5"]
    project(tmp_path, other="def unused(x):\n    return -x\n")
    assert run(tmp_path, TRACKING, "{'track': 'project'}") == ["5"]
    project(tmp_path, deep=EDITS[edit])
    assert run(tmp_path, TRACKING, "{'track': 'project'}") == ["ran", result]


def test_helpers_are_not_followed_unless_asked_to(tmp_path):
    project(tmp_path)
    assert run(tmp_path, TRACKING, "{}") == ["ran", "5"]
    project(tmp_path, deep=EDITS["deep"])
    assert run(tmp_path, TRACKING, "{}") == ["5"]


def test_named_dependencies(tmp_path):
    options = "{'depends': [mine.near.near, mine.deep.deep, 'data of May', mine.other]}"
    project(tmp_path)
    assert run(tmp_path, TRACKING, options) == ["ran", "5"]
    assert run(tmp_path, TRACKING, options) == ["5"]
    project(tmp_path, deep=EDITS["deep"])
    assert run(tmp_path, TRACKING, options) == ["ran", "15"]
    assert run(tmp_path, TRACKING, options.replace("May", "June")) == ["ran", "15"]


def test_a_helper_that_is_defined_anew_in_this_process(memory):
    module = types.ModuleType("notebook")
    sys.modules["notebook"] = module
    try:
        space = vars(module)
        exec("def helper(x): return x\ndef f(x): return helper(x)", space)
        cached = memory.cache(module.f, track="project", on_change="keep")
        assert cached(1) == 1
        exec("def helper(x): return x + 1", space)
        assert cached(1) == 2
        exec("def helper(x): return x", space)
        assert cached(1) == 1
        assert memory.check().entries == 2
    finally:
        del sys.modules["notebook"]


def test_a_class_of_the_project_is_followed_to_its_methods(memory):
    module = types.ModuleType("shapes")
    sys.modules["shapes"] = module
    text = (
        "class Box:\n def side(self): return {0}\ndef f(x): return Box().side() * x\n"
    )
    try:
        exec(text.format(2), vars(module))
        cached = memory.cache(module.f, track="project", on_change="keep")
        assert cached(1) == 2
        exec(text.format(3).partition("def f")[0], vars(module))
        assert cached(1) == 3
    finally:
        del sys.modules["shapes"]


def test_wrong_options(memory):
    for wrong in ({"on_change": "panic"}, {"track": "all"}, {"ttl": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            memory.cache(**wrong)
    with pytest.raises(TypeError, match="typo"):
        memory.cache(typo=1)
    with pytest.raises(TypeError, match="key"):
        memory.cache(key=3)
