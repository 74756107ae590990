
ç
svcns*$01234567-89ab-cdef-0123-456789abcdef2778B•Î‹ Z*
app.kubernetes.io/managed-by
meshwrightä!

meshwrightApply:

{"f:a":{}},

httpTCPP2h"2
abNone"NodePort