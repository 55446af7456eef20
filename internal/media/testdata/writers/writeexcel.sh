# Spreadsheet::WriteExcel (Perl)
cat > a.pl <<'PL'
use Spreadsheet::WriteExcel;
for (['one', 1], ['few', 60], ['some', 700], ['many', 9000]) {
  my ($name, $n) = @$_;
  my $book = Spreadsheet::WriteExcel->new("out/$name.xls");
  my $sheet = $book->add_worksheet();
  $sheet->write_row($_, 0, [$_, "article $_", $_ * 7919 % 10007]) for 0 .. $n - 1;
  $book->close();
}
PL
perl a.pl
