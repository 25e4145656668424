"""Queries a file in S3 all the time with DuckDB, after the statements of a file. Prints a line of JSON for each query.

    consumer.py <folder of DuckDB's packages> <file of statements> <query>
"""

import json
import os
import pathlib
import sys
import time

packages, statements, query = sys.argv[1:]
sys.path.insert(0, packages)
import duckdb  # noqa: E402


def main():
    pause = int(os.environ["CALL_EVERY_MS"]) / 1000
    database = duckdb.connect()
    # Fetched by pip, as DuckDB fetches them itself elsewhere.
    for extension in "httpfs", "aws":
        [file] = pathlib.Path(packages).glob(f"duckdb_ext/extensions/*/*/{extension}.duckdb_extension")
        database.execute(f"LOAD '{file}'")
    database.execute(pathlib.Path(statements).read_text())
    while True:
        try:
            [found] = database.execute(query).fetchone()
            print(json.dumps({"ok": found > 0}), flush=True)
        except duckdb.Error as error:
            print(error, file=sys.stderr, flush=True)
            print(json.dumps({"ok": False, "code": type(error).__name__}), flush=True)
        time.sleep(pause)


main()
