"""`python -m cjoblib SCRIPT`, each case in a process of its own."""

import subprocess
import sys
import zipfile

import pytest

PROGRAM = """
import sys
import joblib
import cjoblib

if __name__ == "__main__":
    assert joblib.Memory is cjoblib.Memory
    print(joblib.__version__, sys.argv[1:], __file__ == sys.argv[0])
"""


def run(*arguments, cwd=None, code=0, options=()):
    done = subprocess.run(
        [sys.executable, *options, "-m", "cjoblib", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_script(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    assert run(tmp_path / "program.py", "-x", "y") == "1.6.0 ['-x', 'y'] True\n"


def test_script_finds_its_neighbours_and_not_the_folder_it_is_called_in(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "neighbour.py").write_text("value = 'neighbour'")
    (tmp_path / "there" / "program.py").write_text(
        "import importlib.util, neighbour\n"
        "print(neighbour.value, importlib.util.find_spec('stranger'))"
    )
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "stranger.py").write_text("")
    assert run("../there/program.py", cwd=tmp_path / "here") == "neighbour None\n"


def test_script_with_an_encoding(tmp_path):
    (tmp_path / "latin.py").write_bytes(
        "# coding: latin-1\nprint(len('é'))\n".encode("latin-1")
    )
    assert run(tmp_path / "latin.py") == "1\n"


@pytest.mark.parametrize("how", ["folder", "archive"])
def test_folder_or_archive(tmp_path, how):
    folder = tmp_path / "application"
    folder.mkdir()
    (folder / "__main__.py").write_text(PROGRAM.replace("print(", "print(") + "\n")
    (folder / "beside.py").write_text("")
    target = folder
    if how == "archive":
        target = tmp_path / "application.pyz"
        with zipfile.ZipFile(target, "w") as archive:
            archive.write(folder / "__main__.py", "__main__.py")
    assert run(target, "a").startswith("1.6.0 ['a']")


def test_module_and_package(tmp_path):
    (tmp_path / "alone.py").write_text(PROGRAM)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "part.py").write_text("value = 7")
    (tmp_path / "package" / "__main__.py").write_text(
        "import joblib\nfrom .part import value\nprint(joblib.__version__, value)"
    )
    assert run("-m", "alone", "1", cwd=tmp_path) == "1.6.0 ['1'] True\n"
    assert run("-m", "package", cwd=tmp_path) == "1.6.0 7\n"


def test_text():
    program = "import joblib, sys; print(joblib.__version__, sys.argv)"
    assert run("-c", program, "a") == "1.6.0 ['-c', 'a']\n"


def test_workers_follow_and_functions_of_the_script_travel(tmp_path):
    (tmp_path / "program.py").write_text(
        "from joblib import Parallel, delayed\n"
        "def version(x):\n"
        "    import joblib, sys\n"
        "    return x, joblib.__version__, 'cjoblib' in sys.modules\n"
        "print(Parallel(n_jobs=2)(delayed(version)(x) for x in range(2)))\n"
    )
    expected = "[(0, '1.6.0', True), (1, '1.6.0', True)]\n"
    assert run(tmp_path / "program.py") == expected


def test_error_and_exit_code(tmp_path):
    (tmp_path / "broken.py").write_text("def f():\n    raise KeyError('lost')\nf()\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(7)")
    told = run(tmp_path / "broken.py", code=1)
    assert "raise KeyError('lost')" in told
    assert "broken.py" in told
    run(tmp_path / "leaving.py", code=7)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "usage:"),
        (["-q"], "usage:"),
        (["nowhere.py"], "can't open 'nowhere.py': No such file"),
        (["-m", "nowhere"], "can't find 'nowhere'"),
        (["-m", "nowhere.more"], "can't find 'nowhere.more'"),
        (["-m", "sys"], "there is no Python code in 'built-in'"),
    ],
)
def test_what_can_not_be_run(tmp_path, arguments, told):
    assert told in run(*arguments, cwd=tmp_path, code=2)


def test_help_and_version():
    assert "usage:" in run("--help")
    assert run("--version").startswith("cjoblib ")


def test_isolated_interpreter_keeps_its_path(tmp_path):
    (tmp_path / "program.py").write_text("import sys; print(sys.path[0])")
    assert run(tmp_path / "program.py", options=["-I"]) != f"{tmp_path}\n"
    assert run(tmp_path / "program.py") == f"{tmp_path}\n"
