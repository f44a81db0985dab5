"""A program that serves as `vllm serve` does, as far as we can tell: `python a_server.py FOLDER MODEL --port N …`.

It notes in FOLDER how it was started, has a child as vLLM has its engine, and crashes where FOLDER/crash says how many answers
to give first (one start a line). FOLDER/broken: it does not start, the first so many times excepted. FOLDER/stuck: the first one
answers so many and then nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

folder, arguments = Path(sys.argv[1]), sys.argv[2:]
port = int(arguments[arguments.index("--port") + 1])
starts = folder / "starts.jsonl"
number = len(starts.read_text().splitlines()) if starts.exists() else 0
if (folder / "broken").exists() and number >= int((folder / "broken").read_text() or 0):
    print("CUDA out of memory", file=sys.stderr)
    sys.exit(3)
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
with starts.open("a") as out:
    said = {
        "pid": os.getpid(), "child": child.pid, "arguments": arguments, "key": os.environ.get("VLLM_API_KEY"),
        "crashing": (folder / "crash").read_text().split() if (folder / "crash").exists() else [],
    }  # fmt: skip
    out.write(json.dumps(said) + "\n")
crashes = said["crashing"]
left = int(crashes[number]) if number < len(crashes) else 10**9
stuck = int((folder / "stuck").read_text()) if number == 0 and (folder / "stuck").exists() else 10**9
while (folder / "asleep").exists():
    time.sleep(0.05)
print("INFO non-default args: {'model': 'tiny'}", flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *said):
        pass

    def reply(self, said, status=200):
        data = json.dumps(said, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/v1/models":
            self.reply({"data": [{"id": "tiny"}]})
        elif self.path == "/version":
            self.reply({"version": "9.9"})
        elif self.path == "/tokenizer_info":
            self.reply({"tokenizer_class": "T", "chat_template": "{{ messages }}"})
        else:
            self.reply({}, 404)

    def do_POST(self):
        global left, stuck
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        left, stuck = left - 1, stuck - 1
        if stuck < 0:
            time.sleep(600)
        if (folder / "slow").exists():
            time.sleep(0.05)
        if left < 0:
            os._exit(9)  # and its child lives on
        content = f"{body['messages'][-1]['content']} → {body['seed']} {len(body['messages'])}"
        choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        self.reply({"model": body["model"], "choices": [choice], "usage": {"completion_tokens": 1}})


class Server(ThreadingHTTPServer):
    request_queue_size = 512  # whoever finds the queue full waits for seconds


Server(("127.0.0.1", port), Handler).serve_forever()
