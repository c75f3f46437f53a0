-- Client sessions on this database other than the one that asks: a late commit of theirs could change the answer.
SELECT count(*)::int AS sessions
FROM pg_stat_activity
WHERE backend_type = 'client backend'
  AND datname = current_database()
  AND pid <> pg_backend_pid()
