/** A certificate for `localhost` and `127.0.0.1` that signs itself, until 2126; of use in tests alone. */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUHlub13eotw5MyiigkQSsJGxa8yswCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNjExMTMyNFoYDzIxMjYxMTAy
MTExMzI0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARD5GBv7KPa4eldpiT3gY4fh02/ujkTq4In+2Lg3nbPofA6t8LIfzdc
8hHbDoyEFmdfirDD75F5re+vOoNYlIJ2o28wbTAdBgNVHQ4EFgQU0i/rdOwroNia
62CeNnMCYUaHUcgwHwYDVR0jBBgwFoAU0i/rdOwroNia62CeNnMCYUaHUcgwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgRJ8zTSSqs6kakTfVUu4PcZy+YmERoHoZZFisGIDvMAQCIQCb
al2NuGO0LyMY3BznvhsVvXNVricKaJaK4sMhB6/4ww==
-----END CERTIFICATE-----
`;

/** Its key. */
export const privateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgv8J4ox9bP59g0/7S
NijhTn1c1cw56dySTOPfjjQU3v2hRANCAARD5GBv7KPa4eldpiT3gY4fh02/ujkT
q4In+2Lg3nbPofA6t8LIfzdc8hHbDoyEFmdfirDD75F5re+vOoNYlIJ2
-----END PRIVATE KEY-----
`;
