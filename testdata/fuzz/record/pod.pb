

pn	Baccount