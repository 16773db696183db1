"""The examples run, and what editors show is what the module has."""
import ast
import base64
import inspect
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import margrave
from margrave import _engine
from conftest import ROOT

README = (ROOT / "crates/python/README.md").read_text()
STUB = ast.parse((Path(margrave.__file__).parent / "_engine.pyi").read_text())


def test_the_examples_of_the_readme_run(world, capsys):
    by_address = {account["address"]: account["data"] for account in world["accounts"].values()}

    class Cluster(BaseHTTPRequestHandler):
        def do_POST(self):
            addresses = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["params"][0]
            found = [{"data": [base64.b64encode(bytes.fromhex(by_address[each])).decode(), "base64"]} for each in addresses]
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"value": found}}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.S))
    for stands, runs in (("http://127.0.0.1:8899", f"http://127.0.0.1:{server.server_port}"), ("int(time.time())", str(world["now"]))):
        assert stands in code
        code = code.replace(stands, runs)
    names = {}
    try:
        exec(compile(code, "README.md", "exec"), names)
    finally:
        server.shutdown()
    assert names["explained"].equity == int(world["valued"]["alice"]["fields"]["equity"])
    assert len(names["margins"]) == 999 and names["margins"][1].initial_margin > names["margins"][0].initial_margin
    assert abs(float(names["vol"]) - 0.6) < 1e-6
    assert "BTC +" in capsys.readouterr().out


def described(node, owner):
    """Functions and classes of the stub with what stands for them at run time."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef):
            yield each, getattr(owner, each.name)
        elif isinstance(each, ast.ClassDef) and hasattr(owner, each.name):
            yield each, getattr(owner, each.name)
            yield from described(each, getattr(owner, each.name))


def test_the_stub_is_what_the_module_has():
    seen = set()
    for node, real in described(STUB, _engine):
        overloaded = isinstance(node, ast.FunctionDef) and node.decorator_list and ast.get_docstring(node) is None
        if node.name == "__new__" or overloaded:
            continue
        seen.add(node.name)
        assert inspect.cleandoc(real.__doc__) == ast.get_docstring(node), node.name
        function = next((each for each in node.body if isinstance(each, ast.FunctionDef)), None) if isinstance(node, ast.ClassDef) else node
        named = [each.arg for each in (*function.args.args, *function.args.kwonlyargs) if each.arg not in ("self", "cls")]
        assert [name for name in inspect.signature(real).parameters if name != "self"] == named, node.name
    public = {name for owner in (_engine, _engine.Accounts, _engine.Market) for name in vars(owner) if not name.startswith("_")}
    assert seen == public


def test_a_type_checker_takes_the_stub_and_finds_mistakes(tmp_path):
    found = {**os.environ, "MYPYPATH": str(Path(margrave.__file__).parents[1])}
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(ROOT / "crates/python/tests/typed.py")]
    checked = subprocess.run(command, env=found, stdout=subprocess.PIPE, text=True)
    assert checked.returncode == 0, checked.stdout


def test_every_name_has_a_docstring():
    for name in margrave.__all__:
        assert getattr(margrave, name).__doc__, name
