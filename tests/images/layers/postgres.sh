# A database server with what its package wants: many large programs and libraries.
apt-get install -y --no-install-recommends postgresql-15
