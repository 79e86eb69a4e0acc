module smimereader

go 1.21

require github.com/smallstep/pkcs7 v0.2.3
