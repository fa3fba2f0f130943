-- GRANT statements that give database $2 the privileges that database $1 (an oid) has, as text printed by the server.
-- No row where the privileges are the default ones. Any role may read this.
SELECT pg_catalog.format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, $2::text,
                         CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END,
                         CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS statement
  FROM pg_catalog.pg_database AS d
 CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) AS a
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
 WHERE d.oid = $1
   AND (a.grantee = 0 OR r.rolname IS NOT NULL)
 ORDER BY 1
