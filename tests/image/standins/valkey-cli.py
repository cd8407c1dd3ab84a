#!/usr/bin/env python3
"""`valkey-cli ping`, which the wheel of the server does not bring."""

import os
import socket

with socket.create_connection(("127.0.0.1", 6379), 2) as connection, connection.makefile("r") as answers:
    connection.sendall(f"AUTH {os.environ['REDISCLI_AUTH']}\r\nPING\r\n".encode())
    print(answers.readline().strip(), answers.readline().strip())  # noqa: T201 # the answer
