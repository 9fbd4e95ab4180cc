"""The command line as a user meets it: what a command prints, and how it is refused."""

from fedjax_shap.cli.main import main


def called(capsys, *arguments: object) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a command that shows no traceback."""
    capsys.readouterr()
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, printed.out, printed.err


def said(capsys, *arguments: object) -> str:
    """What a command that succeeds prints."""
    code, out, wrong = called(capsys, *arguments)
    assert code == 0, wrong
    return out


def refused(capsys, *arguments: object) -> str:
    """The one sentence with which a command is refused."""
    code, _, wrong = called(capsys, *arguments)
    assert code == 2
    return wrong.strip().splitlines()[-1]
