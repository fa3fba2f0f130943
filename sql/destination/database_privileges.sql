-- Statements that give database $2 the privileges of database $1 (an oid), as text printed by the server: what PUBLIC
-- has by default is taken first, since it may have been revoked. No row where the privileges are the default ones.
-- Any role may read this.
SELECT s.statement
  FROM (
       SELECT 0 AS place,
              pg_catalog.format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $2::text) AS statement
         FROM pg_catalog.pg_database AS d
        WHERE d.oid = $1
          AND d.datacl IS NOT NULL
       UNION ALL
       SELECT 1,
              pg_catalog.format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, $2::text,
                                CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END,
                                CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
         FROM pg_catalog.pg_database AS d
        CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) AS a
         LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
        WHERE d.oid = $1
          AND (a.grantee = 0 OR r.rolname IS NOT NULL)) AS s
 ORDER BY s.place, s.statement
