-- ALTER DATABASE .. SET and ALTER ROLE .. IN DATABASE .. SET of the current database. Without a role: for everyone.
SELECT
    r.rolname::pg_catalog.text AS role,
    pg_catalog.split_part(u.setting, '=', 1) AS name,
    pg_catalog.substr(u.setting, pg_catalog.strpos(u.setting, '=') + 1) AS value
FROM pg_catalog.pg_db_role_setting AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) WITH ORDINALITY AS u (setting, position)
WHERE d.datname = pg_catalog.current_database()
ORDER BY r.rolname NULLS FIRST, u.position;
