-- Roles whose comment begins with our mark $1, the job that follows it, and whether somebody uses them by what other roles
-- show. The membership that whoever creates a role and is no superuser gets by that does not count: of our own role, and
-- from 16 on, where the server gives it without the right to SET ROLE (to_jsonb, as older servers lack the column), of any.
-- Nor does one among roles of the same job, which made it: their comments are the same.
-- Any role may read this.
SELECT r.rolname::text AS name,
       pg_catalog.substr(c.comment, pg_catalog.length($1) + 1) AS job,
       r.rolcanlogin AS may_log_in,
       EXISTS (SELECT FROM pg_catalog.pg_auth_members AS m
                WHERE (m.member = r.oid
                       OR m.roleid = r.oid AND pg_catalog.pg_get_userbyid(m.member) <> CURRENT_USER
                          AND NOT EXISTS (
                              SELECT FROM pg_catalog.pg_auth_members AS made
                               WHERE made.roleid = r.oid AND made.member = m.member
                                 AND pg_catalog.to_jsonb(made) ->> 'set_option' = 'false'))
                  AND pg_catalog.shobj_description(
                          CASE m.member WHEN r.oid THEN m.roleid ELSE m.member END, 'pg_authid')
                      IS DISTINCT FROM c.comment) AS has_ties
  FROM pg_catalog.pg_roles AS r
 CROSS JOIN LATERAL pg_catalog.shobj_description(r.oid, 'pg_authid') AS c (comment)
 WHERE pg_catalog.starts_with(c.comment, $1)
 ORDER BY r.oid
