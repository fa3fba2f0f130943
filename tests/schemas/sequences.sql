-- Sequences: every parameter, every way of being owned and used.
CREATE SCHEMA other;
CREATE SEQUENCE plain;
CREATE SEQUENCE tiny AS smallint MINVALUE -5 MAXVALUE 300 START WITH 12 INCREMENT BY 7 CACHE 3 CYCLE;
CREATE SEQUENCE down INCREMENT BY -2;
CREATE SEQUENCE other.shared AS integer;
CREATE TABLE uses_shared (a integer DEFAULT nextval('other.shared'), b integer DEFAULT nextval('other.shared'));
CREATE TABLE also_uses_shared (a bigint DEFAULT nextval('other.shared') NOT NULL);
CREATE TABLE serials (a smallserial, b serial PRIMARY KEY, c bigserial, "D d" serial);
CREATE TABLE owner_elsewhere (a integer);
CREATE SEQUENCE owned OWNED BY owner_elsewhere.a;
CREATE TABLE user_elsewhere (a integer DEFAULT nextval('owned'));
CREATE SEQUENCE disowned;
CREATE TABLE renamed (old serial);
ALTER TABLE renamed RENAME COLUMN old TO new;
ALTER TABLE renamed RENAME TO renamed_too;
ALTER SEQUENCE renamed_old_seq RENAME TO "Renamed SEQ";
CREATE TABLE typed_serial (a serial);
ALTER TABLE typed_serial ALTER a TYPE bigint;
