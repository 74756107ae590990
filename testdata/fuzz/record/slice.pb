	

svcns*$01234567-89ab-cdef-0123-456789abcdef2778B¥ëÜÊZ*
app.kubernetes.io/managed-by
meshwrightŠ!

meshwrightApply:

{"f:a":{}}
10.0.0.1
fd00::1
x.y
pSCTPÿÿÿÿÿÿÿÿÿ"IPv4