"""The rules of the house that a reader can rely on, because nobody can break them unnoticed (DESIGN §2)."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ["clinic", "schedules", "bookings", "payments"]
"""Each may import those before it."""

LAYERS = [
    {"states", "errors", "money", "triggers", "localtime", "theme", "sweeping", "gateways",
     "channels", "logs"},
    {"transactions"},
    {"models"},
    {"queries", "invariants", "readiness", "throttle", "health", "context", "roles", "rules", "charts",
     "words", "calendar", "maintenance"},
    {"steps"},
    {"actions", "desk", "counter", "closing", "sweeps"},
    {"forms"},
    {"views", "api", "admin", "adminsite", "management", "templatetags", "pages", "middleware", "urls",
     "styleguide", "checks", "bank", "sample", "json", "schemas", "auth", "lists", "again"},
]  # fmt: skip
"""Inside an app, a module imports only from its own layer and those above. `desk_queries` is a `queries`."""

ASSEMBLY = {"clinic.settings", "clinic.wiring", "clinic.urls", "clinic.api", "clinic.wsgi"} | {
    f"{app}.apps" for app in APPS
}
"""Modules that put the house together."""

TOP_LEVEL = {
    "clinic", "schedules", "bookings", "payments", "templates", "static", "tests", "docs", "bench",
    "manage.py", "run", "Procfile", "requirements.in", "requirements.txt", "requirements-dev.in",
    "requirements-dev.txt", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".env.example", ".ci",
    ".gitignore",
}  # fmt: skip


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the product, by its dotted name, without migrations."""
    paths = [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}
    return {name.removesuffix(".__init__"): ast.parse(path.read_text()) for name, path in names.items()}


def source(name: str) -> Path:
    path = ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports(tree: ast.AST, known) -> set[str]:
    """Our modules that a tree imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where a module stands"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & set(known)) or {node.module}
    return {name for name in found if name.split(".")[0] in APPS}


def layer(name: str) -> int:
    """Where a module stands inside its app."""
    word = name.split(".")[1].rpartition("_")[2] if "." in name else "states"
    places = [number for number, words in enumerate(LAYERS) if word in words]
    assert places, f"{name}: say in LAYERS where it belongs"
    return places[0]


def later(importer: str, imported: str) -> bool:
    ours, theirs = importer.split(".")[0], imported.split(".")[0]
    if ours != theirs:
        return APPS.index(theirs) > APPS.index(ours)
    return layer(imported) > layer(importer)


def wrong_imports(trees: dict[str, ast.Module]) -> list[str]:
    return [
        f"{importer} imports {imported}"
        for importer, tree in trees.items()
        if importer not in ASSEMBLY
        for imported in imports(tree, trees)
        if later(importer, imported)
    ]


def calls(tree: ast.AST, *names: str) -> list[ast.Call]:
    """Calls of a method or function by one of these names."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [c for c in found if getattr(c.func, "attr", getattr(c.func, "id", "")) in names]


def test_imports_point_one_way():
    assert wrong_imports(modules()) == []


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("bookings.actions", "from payments.models import Payment"),
        ("schedules.models", "def late():\n    from bookings import models"),
        ("bookings.models", "import bookings.queries"),
        ("bookings.steps", "from bookings import actions"),
        ("payments.steps", "from payments.counter import take"),
        ("payments.actions", "from payments import counter_views"),
    ],
)
def test_an_import_the_wrong_way_is_found(importer, line):
    """The negative control."""
    known = dict.fromkeys(["bookings.models", "bookings.actions", "payments.counter_views"], ast.parse(""))
    assert len(wrong_imports({**known, importer: ast.parse(line)})) == 1


def test_only_what_assembles_the_house_imports_inside_a_function():
    inline = [
        f"{name}.{function.name}"
        for name, tree in modules().items()
        if name not in ASSEMBLY
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and imports(ast.Module(function.body, []), modules())
    ]
    assert inline == []


def test_gateways_know_no_database():
    """They are pure: values in, values out."""
    for name, tree in modules().items():
        if name.startswith("payments.gateways"):
            text = source(name).read_text()
            assert not re.search(
                r"from django\.db|\.objects\b|payments\.(models|states|steps|actions)", text
            ), name
            assert all(found.startswith("payments.gateways") for found in imports(tree, modules())), name


def test_the_top_level_explains_the_product():
    """DESIGN §2: nothing else without a reason."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if answer.returncode:
        pytest.skip("not a git repository")
    there = {line.partition("/")[0] for line in answer.stdout.splitlines()}
    assert there <= TOP_LEVEL


def test_locked_is_the_only_spelling_of_a_row_lock():
    assert [name for name, tree in modules().items() if calls(tree, "select_for_update")] == [
        "clinic.transactions"
    ]


OWN_TRANSACTIONS = {
    "clinic.transactions": "the action itself",
    "payments.actions": "a savepoint around one INSERT that may meet its twin (the inbox)",
    "payments.management.commands.demo": "the sample clinic is loaded as a whole, or not",
}


def test_actions_own_their_transactions():
    found = {
        name
        for name, tree in modules().items()
        if calls(tree, "atomic") or re.search(r"@transaction\.atomic", source(name).read_text())
    }
    assert found <= set(OWN_TRANSACTIONS)


def test_only_actions_are_retried_and_they_never_call_each_other():
    """An action inside an action would fail as not durable: in production, not in a test."""
    names = {}
    for module, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and any(
                getattr(decorator, "id", "") == "action" for decorator in node.decorator_list
            ):
                names[node.name] = module, node
    nested = [
        f"{module}.{name} calls {inner}"
        for name, (module, node) in names.items()
        for inner, (home, _node) in names.items()
        for call in calls(node, inner)
        if inner != name and _is_the_action(call, home, module)
    ]
    assert nested == []


def _is_the_action(call: ast.Call, home: str, module: str) -> bool:
    """A bare name from the same module, or an attribute of the module's own name."""
    if isinstance(call.func, ast.Name):
        return home == module
    return getattr(call.func.value, "id", "") == home.rpartition(".")[2]


def test_steps_open_no_transaction_and_ask_no_clock():
    for name, tree in modules().items():
        if name.endswith("steps"):
            assert not calls(tree, "atomic", "action", "on_commit"), name
            assert not re.search(r"timezone\.now|datetime\.now|date\.today", source(name).read_text()), name


def test_queries_by_status_have_names():
    """No `.filter(status="…")` outside models and named queries (STYLE 3); a variable may be anything."""
    unnamed = [
        f"{name}:{call.lineno}"
        for name, tree in modules().items()
        if "." in name and name.split(".")[1].rpartition("_")[2] not in ("models", "queries")
        for call in calls(tree, "filter", "exclude", "get")
        for keyword in call.keywords
        if re.search(r"(^|__)status(__|$)", keyword.arg or "") and not isinstance(keyword.value, ast.Name)
    ]
    assert unnamed == []


def test_one_function_writes_a_bookings_status():
    """`steps.move` sets status, units and number; nobody updates them behind its back."""
    guarded = {"units", "queue_number", "taken", "taken_at_desk", "last_number"}
    writers = [
        f"{name}:{call.lineno}"
        for name, tree in modules().items()
        if not name.startswith("payments.management")
        for call in calls(tree, "update")
        if guarded & {keyword.arg for keyword in call.keywords}
    ]
    assert writers == []
    assigns = [
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and target.attr in guarded
    ]
    assert assigns == []


def test_views_are_short():
    """Parse, one call, render. Twenty-five lines is usual, forty is the end."""
    long = [
        f"{name}.{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for name, tree in modules().items()
        if name.endswith("views")
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 40
    ]
    assert long == []


def test_files_are_split_before_400_lines():
    long = [name for name in modules() if len(source(name).read_text().splitlines()) > 400]
    assert long == []


@pytest.mark.parametrize("kind", ["steps", "actions", "desk", "counter", "sweeps", "queries"])
def test_what_changes_the_world_says_so(kind):
    """Public functions of these modules have a docstring, unless they are one line."""
    silent = [
        f"{name}.{node.name}"
        for name, tree in modules().items()
        if name.split(".")[-1].rpartition("_")[2] == kind
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if len(node.body) > 2 and not ast.get_docstring(node)
    ]
    assert silent == []


def test_no_page_carries_style_or_script_of_its_own():
    """The content security policy would refuse it (DESIGN §7)."""
    for page in (ROOT / "templates").rglob("*.html"):
        text = re.sub(r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}", "", page.read_text(), flags=re.S)
        assert not re.search(r"\sstyle=|\son[a-z]+=\"|javascript:", text), page
        for tag in re.findall(r"<(?:script|style)\b[^>]*>", text):
            assert "src=" in tag or "nonce=" in tag, f"{page}: {tag}"
