"""Single objects: which of them count, and how they are cut out and measured one by one."""
