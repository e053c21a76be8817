"""Where committed predictions go besides the lake: files, a SQL database, Redis, a webhook.

Belongs in this folder: what a pipeline may declare, delivering committed rows to it, and the book of what was
delivered. Does not belong here: when to deliver (predictions and the command line do), or anything before the commit.
A sink never decides whether predictions are visible: the lake is the truth, and each target is a copy of it.
"""
