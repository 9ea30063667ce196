#!/usr/bin/env python
"""The command line of a checkout: `python manage.py up` starts everything, `help` lists the rest."""

from deepsegm.command_line import main

if __name__ == "__main__":
    main()
