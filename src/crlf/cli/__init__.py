"""The command line: `crlf get URL`, `crlf post URL name=value`, `crlf serve FOLDER`, ...

One table (commands.py) says what there is; parsing, help and the documentation are made from
it, and main.py loads the one command that was asked for. Everything of the process (streams,
variables, the folder) comes in as an Environment, so that a test can be the process.
"""
