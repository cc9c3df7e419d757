"""nginx as it is measured: one worker, keep-alive without end, no log, files from a folder."""

import os
import time
from pathlib import Path

from ground import HELLO, SMALL, need_program

CONFIG = """
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log crit; {user}
events {{ worker_connections 4096; }}
http {{
  access_log off; default_type text/plain; server_tokens off;
  keepalive_requests 1000000000; keepalive_timeout 75s;
  sendfile on; tcp_nopush on; open_file_cache max=100 inactive=60s;
  client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
  uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
  server {{
    {listen}
    root {files};
    location = / {{ return 200 "{hello}"; }}
    location = /connections {{ stub_status; }}
  }}
}}
"""


def write_files(scratch: Path, megabytes: int) -> Path:
    """Make the folder that is served: small.txt and, once wanted, large.bin."""
    files = scratch / "files"
    files.mkdir(exist_ok=True)
    small = files / "small.txt"
    if not small.exists():
        small.write_bytes(SMALL)
        hour_ago = time.time() - 3600  # what has just changed is watched more closely
        os.utime(small, (hour_ago, hour_ago))
    large = files / "large.bin"
    if megabytes and not large.exists():
        block = bytes(range(256)) * 4096  # 1 MiB
        with large.open("wb") as file:
            for _ in range(megabytes):
                file.write(block)
    return files


def nginx_command(scratch: Path, port: int, megabytes: int = 0, hosts: int = 1) -> list[str]:
    """Write the configuration and return the command. Raises Absent.

    hosts: how many addresses it listens at, from 127.0.0.1 on.
    """
    program = need_program("nginx")
    home = scratch / f"nginx-{port}"
    home.mkdir()
    user = "user root;" if scratch.owner() == "root" else ""
    hello = HELLO.decode().replace("\n", "\\n")
    files = write_files(scratch, megabytes)
    listen = " ".join(f"listen 127.0.0.{host + 1}:{port} backlog=1024;" for host in range(hosts))
    config = CONFIG.format(home=home, listen=listen, files=files, hello=hello, user=user)
    (home / "nginx.conf").write_text(config)
    return [program, "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "start.log")]
