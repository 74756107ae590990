
H
eastwestistio-system212Z*
app.kubernetes.io/managed-by
meshwright>
TCPΣx(Συ	10.96.0.9"LoadBalancer*	192.0.2.9’	10.96.0.9&
$

	192.0.2.1
lb.example
	
fd00::1