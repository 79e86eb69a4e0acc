# Runs the FreeRADIUS plugin without FreeRADIUS: perl radius.pl <privacyidea_radius.pm> <rlm_perl.ini>
# Reads "user<TAB>password" or a code, and prints ACCEPT, CHALLENGE, REJECT, FAIL or NOTFOUND.
use strict;
use warnings;

package radiusd;
sub radlog { }

package main;
our (%RAD_REQUEST, %RAD_REPLY, %RAD_CHECK, %RAD_CONFIG, %RAD_PERLCONF);
my ($plugin, $config) = @ARGV;
%RAD_PERLCONF = (configfile => $config);
require $plugin;

my %names = (0 => "REJECT", 1 => "FAIL", 2 => "ACCEPT", 3 => "CHALLENGE", 6 => "NOTFOUND");
my ($user, $state) = ("", undef);
$| = 1;
while (my $line = <STDIN>) {
    chomp $line;
    my ($first, $password) = split /\t/, $line, 2;
    if (defined $password) { ($user, $state) = ($first, undef); } else { $password = $first; }
    %RAD_REQUEST = ('User-Name' => $user, 'User-Password' => $password, 'NAS-IP-Address' => '192.0.2.7');
    # FreeRADIUS hands the state over as hexadecimal digits.
    $RAD_REQUEST{'State'} = '0x' . unpack('H*', $state) if defined $state;
    %RAD_REPLY = ();
    my $code = authenticate();
    $state = $RAD_REPLY{'State'} if defined $RAD_REPLY{'State'};
    print(($names{$code} // "CODE $code"), "\n");
}
