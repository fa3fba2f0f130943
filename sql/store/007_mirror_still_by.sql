-- Who wants a mirror to stand still for a moment: an id that the process has locked for as long as it is at work. Where none
-- has, nobody wants it any more.
ALTER TABLE mirror ADD COLUMN still_by TEXT;
