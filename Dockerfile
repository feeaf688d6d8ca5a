# One image for every Airflow service and for the command line, `python -m fieldscore …`.

FROM python:3.12-slim-bookworm AS packages
# uv stays in this stage; it, and all that it installs, must match the hashes of the lock files.
COPY requirements/bootstrap.txt requirements/pipeline.txt /tmp/
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r /tmp/bootstrap.txt \
    && uv venv /opt/venv \
    && uv pip install --python /opt/venv --no-cache --compile-bytecode \
        --require-hashes --only-binary :all: -r /tmp/pipeline.txt

FROM python:3.12-slim-bookworm
# Airflow wants a user with a name and a home.
RUN useradd --uid 10001 --user-group --home-dir /var/lib/fieldscore --no-create-home \
        --shell /usr/sbin/nologin fieldscore \
    # Volumes take owner and mode from the folders they are mounted over.
    && install -d -o fieldscore -g fieldscore -m 0700 \
        /var/lib/fieldscore /var/lib/airflow /var/log/airflow
COPY --from=packages /opt/venv /opt/venv
WORKDIR /opt/fieldscore
COPY dags dags
COPY dbt_project dbt_project
COPY expectations expectations
COPY plugins plugins
# The containers cannot write here, so what Python compiles it compiles now.
RUN python -m compileall -q dags plugins
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/fieldscore/plugins \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/var/lib/airflow \
    AIRFLOW_CONFIG=/dev/null \
    FIELDSCORE_HOME=/var/lib/fieldscore
USER 10001
CMD ["airflow", "version"]
