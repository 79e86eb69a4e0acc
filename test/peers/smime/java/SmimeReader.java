import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.Set;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStoreBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSEnvelopedData;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.KeyAgreeRecipientInformation;
import org.bouncycastle.cms.Recipient;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JceKeyAgreeEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.util.Selector;
import org.bouncycastle.util.Store;

/**
 * Reads S/MIME with BouncyCastle.
 *
 * <pre>
 * verify  root.pem content signature.der        prints the subject of the signer
 * decrypt key.pem certificate.pem message.der   prints the content
 * </pre>
 */
final class SmimeReader {
  public static void main(String[] files) throws Exception {
    Security.addProvider(new BouncyCastleProvider());
    switch (files[0]) {
      case "verify" -> System.out.println(verify(files[1], bytes(files[2]), bytes(files[3])));
      case "decrypt" -> System.out.write(decrypt(files[1], files[2], bytes(files[3])));
      default -> throw new IllegalArgumentException(files[0]);
    }
    System.out.flush();
  }

  private static String verify(String root, byte[] content, byte[] der) throws Exception {
    CMSSignedData data = new CMSSignedData(new CMSProcessableByteArray(content), der);
    SignerInformation signer = only(data.getSignerInfos().getSigners());
    Store<X509CertificateHolder> certificates = data.getCertificates();
    X509CertificateHolder holder = only(certificates.getMatches(selector(signer.getSID())));
    X509Certificate certificate = certificate(holder);
    var verifier = new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(certificate);
    if (!signer.verify(verifier)) throw new SecurityException("The signature is invalid");

    X509CertSelector target = new X509CertSelector();
    target.setCertificate(certificate);
    TrustAnchor anchor = new TrustAnchor(certificate((X509CertificateHolder) pem(root)), null);
    PKIXBuilderParameters path = new PKIXBuilderParameters(Set.of(anchor), target);
    CertStore store = new JcaCertStoreBuilder().setProvider("BC").addCertificates(certificates).build();
    path.addCertStore(store);
    path.setRevocationEnabled(false);
    CertPathBuilder.getInstance("PKIX", "BC").build(path);
    return holder.getSubject().toString();
  }

  private static byte[] decrypt(String key, String certificate, byte[] der) throws Exception {
    RecipientInformation info = only(new CMSEnvelopedData(der).getRecipientInfos().getRecipients());
    if (!selector(info.getRID()).match((X509CertificateHolder) pem(certificate))) throw new SecurityException("It is for another recipient");
    PrivateKey secret = new JcaPEMKeyConverter().setProvider("BC").getPrivateKey((PrivateKeyInfo) pem(key));
    Recipient recipient =
        info instanceof KeyAgreeRecipientInformation
            ? new JceKeyAgreeEnvelopedRecipient(secret).setProvider("BC")
            : new JceKeyTransEnvelopedRecipient(secret).setProvider("BC");
    return info.getContent(recipient);
  }

  private static <T> T only(Iterable<T> values) {
    var rest = values.iterator();
    T first = rest.next();
    if (rest.hasNext()) throw new IllegalArgumentException("There is more than one");
    return first;
  }

  /** Selectors of signers and recipients have raw types. */
  @SuppressWarnings("unchecked")
  private static Selector<X509CertificateHolder> selector(Selector<?> id) {
    return (Selector<X509CertificateHolder>) id;
  }

  private static X509Certificate certificate(X509CertificateHolder holder) throws Exception {
    return new JcaX509CertificateConverter().setProvider("BC").getCertificate(holder);
  }

  private static Object pem(String file) throws IOException {
    try (Reader reader = Files.newBufferedReader(Path.of(file))) {
      return new PEMParser(reader).readObject();
    }
  }

  private static byte[] bytes(String file) throws IOException {
    return Files.readAllBytes(Path.of(file));
  }
}
