-- GRANT .. ON PARAMETER to these roles ($1), from PostgreSQL 15 on: `SET on work_mem`. Any role may read this.
SELECT pg_catalog.pg_get_userbyid(x.grantee)::pg_catalog.text AS role,
       pg_catalog.concat(x.privilege_type, ' on ', p.parname) AS privilege
  FROM pg_catalog.pg_parameter_acl AS p
 CROSS JOIN LATERAL pg_catalog.aclexplode(p.paracl) AS x
 WHERE x.grantee <> 0
   AND pg_catalog.pg_get_userbyid(x.grantee) = ANY ($1::pg_catalog.text[])
 ORDER BY 1, 2
